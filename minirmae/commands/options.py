"""Options that several commands share, and options made from the fields of a configuration.

What a field means and which words it may be is said once, beside the field
(`minirmae.runs.config`, `minirmae.models.autoencoder.ModelConfig`).
"""

from __future__ import annotations

import argparse
from dataclasses import MISSING, fields
from typing import Any, get_args, get_type_hints

from minirmae.models.autoencoder import ModelConfig
from minirmae.runs.config import TrainingConfig


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add --device; the command line checks it, and works on that device, before the command runs."""
    parser.add_argument(
        "--device", default="cpu", help="where to compute: cpu, or an NVIDIA GPU: cuda, cuda:1 (default: cpu)"
    )


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add --engine, whose default is that of a training."""
    add_field(parser, "engine", default=TrainingConfig.engine)


def add_field(
    parser: argparse._ActionsContainer, name: str, *, shown: str | None = None, meaning: str = "", **changes: Any
) -> None:
    """Add the option of a field of `TrainingConfig` or `ModelConfig`.

    Args:
        name: of the field; that of the option has hyphens.
        shown: the default in words; None is the given default, else the field's own.
        meaning: help in place of the field's.
        changes: arguments of `add_argument` in place of those made here. Without a default the value of an option
            that is not given is None.
    """
    kind, default, metadata = _field(name)
    if shown is None:
        shown = _words(changes.get("default", default)) or metadata["none"]
    text = (meaning or metadata["help"]) + (f" (default: {shown})" if shown else "")
    options: dict[str, Any] = {"help": text}
    if metadata["choices"]:
        options["choices"] = tuple(metadata["choices"])
    else:
        options |= {"type": kind, "metavar": {int: "N", float: "X", str: "TEXT"}[kind]}
    parser.add_argument(f"--{name.replace('_', '-')}", **{**options, **changes})


def _field(name: str) -> tuple[type[Any], Any, dict[str, Any]]:
    """Type without None, default and metadata of a field."""
    owner, field = next((o, field) for o in (ModelConfig, TrainingConfig) for field in fields(o) if field.name == name)
    hint = get_type_hints(owner)[name]
    kind = next((kind for kind in get_args(hint) if kind is not type(None)), hint)
    return kind, None if field.default is MISSING else field.default, dict(field.metadata)


def _words(default: Any) -> str:
    """A default as one would type it."""
    if default is None:
        return ""
    return " ".join(map(str, default)) if isinstance(default, (list, tuple)) else str(default)
