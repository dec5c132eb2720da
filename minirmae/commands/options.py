"""Options that several commands share, and those that are fields of a configuration."""

from __future__ import annotations

import argparse
from dataclasses import MISSING, fields
from typing import Any, get_args, get_type_hints

from minirmae.engine import ENGINES

Container = argparse.ArgumentParser | argparse._MutuallyExclusiveGroup


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add --device; the command line checks it, and works on that device, before the command runs."""
    parser.add_argument(
        "--device", default="cpu", help="where to compute: cpu, or an NVIDIA GPU: cuda, cuda:1 (default: cpu)"
    )


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add --engine."""
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        default=ENGINES[0],
        help=f"what computes: the fast engine, or the readable reference (default: {ENGINES[0]})",
    )


def add_field(parser: Container, config: type[Any], name: str, **options: Any) -> None:
    """Add the option of the field `name` of a configuration: its type, choices, default and help are the field's.

    Without the option the argument is None, so that what was given can be told from what was not.
    """
    (field,) = (field for field in fields(config) if field.name == name)
    kind = get_type_hints(config)[name]
    kind = next((part for part in get_args(kind) if part is not type(None)), kind)
    text, choices = field.metadata["help"], field.metadata["choices"]
    if field.default not in (None, MISSING) and "(default:" not in text:
        text += f" (default: {field.default})"
    given = {"choices": choices} if choices else {"type": kind, "metavar": kind.__name__.upper()}
    parser.add_argument("--" + name.replace("_", "-"), dest=name, help=text, **{**given, **options})
