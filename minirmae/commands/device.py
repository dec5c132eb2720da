"""The option --device, which several commands share."""

from __future__ import annotations

import argparse


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add --device; the command line checks it, and works on that device, before the command runs."""
    parser.add_argument(
        "--device", default="cpu", help="where to compute: cpu, or an NVIDIA card: cuda, cuda:1 (default: cpu)"
    )
