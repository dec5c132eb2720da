"""`minirmae info`: what runs here, for a bug report or a benchmark."""

from __future__ import annotations

import argparse
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from minirmae import __version__, blas, parallel
from minirmae.commands.outcome import Outcome

HELP = "show versions, the array backend, and BLAS with its threads"
EXAMPLE = "minirmae info --json"
_PACKAGES = ("numpy", "matplotlib", "pillow", "cupy", "pytest", "hypothesis")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """This command has no options of its own."""


def run(args: argparse.Namespace) -> Outcome:
    """Collect what is known about this installation."""
    library = blas.description()
    result: dict[str, Any] = {
        "minirmae": __version__,
        "python": platform.python_version(),
        "machine": machine(),
        "backend": "numpy",
        "packages": {name: _version(name) for name in _PACKAGES},
        "blas": library,
        "threads": parallel.threads(),
    }
    threads = library["threads"] or "unknown"
    lines = [
        f"minirmae    {result['minirmae']}",
        f"python      {result['python']} on {result['machine']}",
        f"backend     {result['backend']}",
        f"BLAS        {library['name']} {library['version']}, threads: {threads}",
        f"threads     {result['threads']} of Python (MINIRMAE_THREADS sets them)",
        *(f"{name:<11} {v or 'not installed'}" for name, v in result["packages"].items()),
    ]
    return Outcome(result, "\n".join(lines))


def machine() -> str:
    """System, architecture and number of processors."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
