"""`minirmae info`: what runs here, for a bug report or a benchmark."""

from __future__ import annotations

import argparse
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from minirmae import __version__
from minirmae.arrays import DeviceError
from minirmae.commands.outcome import Outcome
from minirmae.devices import require_device
from minirmae.engine import installed

HELP = "show versions, BLAS with its threads, and whether there is a GPU to compute on"
EXAMPLE = "minirmae info --json"
_PACKAGES = ("numpy", "matplotlib", "pillow", "cupy-cuda12x", "cupy-cuda13x", "pytest", "hypothesis")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """This command has no options of its own."""


def run(args: argparse.Namespace) -> Outcome:
    """Collect what is known about this installation."""
    library: dict[str, Any] = {"name": "unknown", "version": "", "threads": None}
    if installed():
        from minirmae.engines.cpu import blas

        library = blas.description()
    result: dict[str, Any] = {
        "minirmae": __version__,
        "python": platform.python_version(),
        "machine": machine(),
        "cuda": _cuda(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "blas": library,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
    }
    threads = library["threads"] or "unknown"
    lines = [
        f"minirmae    {result['minirmae']}",
        f"python      {result['python']} on {result['machine']}",
        f"cuda        {result['cuda']}",
        f"BLAS        {library['name']} {library['version']}, threads: {threads}",
        f"cores       {result['cores']}",
        *(f"{name:<11} {v or 'not installed'}" for name, v in result["packages"].items()),
    ]
    return Outcome(result, "\n".join(lines))


def _cuda() -> str:
    """Return "available", or why there is no GPU."""
    try:
        require_device("cuda")
    except DeviceError as error:
        return str(error)
    return "available"


def machine() -> str:
    """System, architecture and number of processors."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
