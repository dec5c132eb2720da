"""`minirmae theory`: every theorem against an experiment."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from minirmae.commands.options import add_device
from minirmae.commands.outcome import Outcome
from minirmae.commands.status import StatusLine

HELP = "check the theory of rank minimisation against experiments"
EXAMPLE = (
    "minirmae theory\n"
    "  minirmae theory linear-autoencoder --depth 4 --figures --out figures\n"
    "  minirmae theory --staircase runs/demo/l0 runs/demo/l4"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the results to check and the options."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="results to check (default: all; see --list)")
    parser.add_argument("--list", action="store_true", help="list the results and do nothing else")
    parser.add_argument("--depth", type=int, metavar="N", help="number of layers, for results that hold for any")
    parser.add_argument("--seed", type=int, default=0, help="first seed of the experiments (default: 0)")
    parser.add_argument("--quick", action="store_true", help="one seed and the smallest size of each")
    parser.add_argument("--all", action="store_true", help="print every comparison, not the worst of each kind")
    parser.add_argument("--figures", action="store_true", help="draw the figures too, one a result")
    parser.add_argument(
        "--staircase", nargs="+", type=Path, metavar="RUN", help="draw the linear prediction beside these runs' ranks"
    )
    add_device(parser)
    parser.add_argument("--out", type=Path, default=Path("figures"), help="directory of the figures (default: figures)")


def run(args: argparse.Namespace) -> Outcome:
    """Check, tabulate and draw; exit status 1 if a comparison failed."""
    from minirmae.theory import registry
    from minirmae.theory.lab.placement import simulations_on
    from minirmae.theory.lab.table import table

    if args.list:
        names = {name: entry.title for name, entry in registry.ENTRIES.items()}
        width = max(map(len, names))
        return Outcome({"results": names}, "\n".join(f"{name:<{width}}  {title}" for name, title in names.items()))
    if args.staircase:
        return _staircase(args)
    with simulations_on(args.device), StatusLine() as status:

        def progress(index: int, count: int, entry: Any, result: Any) -> None:
            status.show(f"{index + 1}/{count}  {entry.name}: {entry.title}")

        results = registry.run(args.names or None, args.seed, args.depth, progress, quick=args.quick)
        drawn = _draw(args, [r.name for r in results], status) if args.figures else []
    passed = all(result.passed for result in results)
    summary = {"seed": args.seed, "passed": passed, "results": [r.to_json() for r in results], "figures": drawn}
    text = "\n".join([table(results, every=args.all), *(f"wrote {path}" for path in drawn)])
    return Outcome(summary, text, status=0 if passed else 1)


def _draw(args: argparse.Namespace, names: list[str], status: StatusLine) -> list[str]:
    from minirmae.report.style import save_figure
    from minirmae.theory import registry

    args.out.mkdir(parents=True, exist_ok=True)
    written = []
    for name in names:
        status.show(f"drawing {name}")
        entry = registry.ENTRIES[name]
        options = {"depth": args.depth} if args.depth is not None and entry.any_depth else {}
        path = args.out / f"{name}.png"
        save_figure(entry.module().figure(seed=args.seed, **options), path)
        written.append(str(path))
    return written


def _staircase(args: argparse.Namespace) -> Outcome:
    """The linear autoencoder's ranks over time beside those of trained runs."""
    from minirmae.report.analysis import label
    from minirmae.report.style import save_figure
    from minirmae.runs import open_run
    from minirmae.theory.staircase import staircase_figure

    histories = {}
    for directory in args.staircase:
        opened = open_run(directory)
        records = opened.history("evaluation")
        ranks = [record["numerical_ranks"]["0.001"] for record in records]
        histories[label(opened)] = ([record["step"] for record in records], ranks)
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "staircase.png"
    save_figure(staircase_figure(histories, seed=args.seed), path)
    return Outcome({"figure": str(path)}, f"wrote {path}")
