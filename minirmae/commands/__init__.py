"""The command line: `minirmae COMMAND`, one file per command.

A command module offers `HELP` (one line), `EXAMPLE`, `add_arguments(parser)`
and `run(args) -> Outcome`; nothing of it is imported at the top that a quick
`--help` would have to wait for. Results go to standard output, progress to
standard error.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minirmae import __version__
from minirmae.devices import using
from minirmae.files import write_text

COMMANDS = ("demo", "train", "compare", "spectrum", "sample", "gradcheck", "theory", "bench", "data", "info")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status: 0 success, 1 a failed check, 2 bad input, 128 + signal if stopped."""
    args = _parser().parse_args(argv)
    module = _module(args.command)
    try:
        with using(getattr(args, "device", "cpu")):
            outcome = module.run(args)
        if args.out_json is not None:
            write_text(args.out_json, json.dumps(outcome.result, indent=2) + "\n")
        print(json.dumps(outcome.result, indent=2) if args.json else outcome.text, flush=True)
        return int(outcome.status)
    except BrokenPipeError:  # the reader of our output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt as interrupt:
        print(f"\n{str(interrupt) or 'interrupted'}", file=sys.stderr)
        return 128 + int(getattr(interrupt, "signal", signal.SIGINT))
    except (ValueError, TypeError, OSError, ImportError, FloatingPointError) as error:
        if args.traceback:
            raise
        notes = "".join(f"\n  {note}" for note in getattr(error, "__notes__", []))
        print(f"minirmae {args.command}: error: {error}{notes}", file=sys.stderr)
        return 2


def _module(command: str) -> Any:
    return importlib.import_module(f"minirmae.commands.{command}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="minirmae",
        description="Autoencoders that minimise their own rank, with every gradient written by hand in NumPy.",
    )
    parser.add_argument("--version", action="version", version=f"minirmae {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        module = _module(name)
        command = commands.add_parser(
            name,
            help=module.HELP,
            description=module.HELP[0].upper() + module.HELP[1:] + ".",
            epilog=f"example:\n  {module.EXAMPLE}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        # Commands that draw have an --out for their pictures; the others write their result there.
        own_out = "--out" in command.format_usage()
        command.set_defaults(out_json=None)
        if not own_out:
            command.add_argument(
                "--out", dest="out_json", type=Path, metavar="FILE", help="write the result as JSON to this file too"
            )
        command.add_argument("--json", action="store_true", help="print the result as JSON")
        command.add_argument("--traceback", action="store_true", help="show where in the code an error came from")
    return parser
