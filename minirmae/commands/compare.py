"""`minirmae compare`: several methods, one budget, one page."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minirmae.commands.options import add_engine, add_field
from minirmae.commands.outcome import Outcome
from minirmae.models.autoencoder import PRESETS

HELP = "train several methods with equal budgets and compare them on one page"
EXAMPLE = (
    "minirmae compare --quick\n"
    "  minirmae compare --data mnist --methods ae irmae vae l1 --steps 1000 --seeds 3 --jobs 2 --out runs/mnist"
)

_QUICK: dict[str, Any] = {
    "methods": ("ae", "irmae", "vae"),
    "seeds": 1,
    "steps": 100,
    "training_images": 2000,
    "evaluation_images": 400,
    "code_images": 1000,
    "samples": 400,
    "labels": (100,),
    "head_epochs": 100,
    "classifier_steps": 100,
    "map_images": 200,
    "map_steps": 300,
}
"""What `--quick` chooses for options that are not given."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is compared, the budget, and the place."""
    parser.add_argument("--methods", nargs="+", metavar="METHOD", help="ae, irmae or an objective of train (all)")
    add_field(parser, "data", shown="the preset's name, or shapes")
    add_field(parser, "preset", shown="the one that fits the data")
    add_field(parser, "latent")
    add_field(parser, "linear_layers", meaning="l of irmae", metavar="L")
    parser.add_argument("--seeds", type=int, metavar="N", help="train each method from N seeds (default: 3)")
    length = parser.add_mutually_exclusive_group()
    add_field(length, "steps", shown="1000")
    add_field(length, "epochs")
    add_field(parser, "batch_size")
    add_field(parser, "training_images")
    add_field(parser, "evaluation_images", meaning="measure on at most this many images")
    add_engine(parser)
    parser.add_argument(
        "--labels", type=int, nargs="+", metavar="K", help="labelled images to classify from (default: 10 to 10000)"
    )
    parser.add_argument(
        "--set", dest="settings", action="append", metavar="METHOD.NAME=VALUE", help="a setting of a method; repeatable"
    )
    parser.add_argument("--jobs", type=int, default=1, metavar="J", help="processes side by side (default: 1)")
    parser.add_argument("--quick", action="store_true", help="a small version, to see that everything works")
    parser.add_argument("--out", type=Path, help="directory (default: runs/compare or runs/compare-quick)")


def run(args: argparse.Namespace) -> Outcome:
    """Compare, and show the table."""
    from minirmae.comparison import Plan, TerminalReporter, compare, summary_table

    plan = Plan(**_fields(args))
    out = args.out or Path("runs") / ("compare-quick" if args.quick else "compare")
    found = compare(plan, out, jobs=args.jobs, reporter=TerminalReporter())
    text = f"{summary_table(plan, found.result)}\n\nopen {found.page}"
    if found.result["diverged"]:
        text = f"{text}\ndiverged: {', '.join(found.result['diverged'])}"
    return Outcome({"page": str(found.page), **found.result}, text)


def _fields(args: argparse.Namespace) -> dict[str, Any]:
    """Fields of the plan: what was given, over what `--quick` chooses."""
    from minirmae.comparison import Plan

    names = ("data", "latent", "linear_layers", "seeds", "steps", "epochs", "batch_size", "engine")
    given = {name: getattr(args, name) for name in (*names, "training_images", "evaluation_images")}
    fields = {**(_QUICK if args.quick else {"steps": 1000}), **{k: v for k, v in given.items() if v is not None}}
    if args.epochs is not None:
        fields["steps"] = None
    if args.methods is not None:
        fields["methods"] = tuple(args.methods)
    if args.labels is not None:
        fields["labels"] = tuple(args.labels)
        fields["code_images"] = max(*args.labels, fields.get("code_images", Plan.code_images))
    if args.data is None and args.preset == "celeba":
        raise ValueError("compare: the celeba preset has no data of its own; give a folder of images with --data")
    fields.setdefault("data", args.preset or "shapes")
    fields["preset"] = args.preset or _fitting(fields["data"])
    fields["settings"] = _settings(args.settings or ())
    return fields


def _fitting(data: str) -> str:
    """The preset whose images have the channels of `data`, the smallest one."""
    from minirmae.data import open_dataset

    if data in PRESETS:
        return data
    channels = open_dataset(data).shape[2]
    return next(name for name, preset in PRESETS.items() if preset.image[2] == channels)


def _settings(texts: Sequence[str]) -> dict[str, dict[str, float | str]]:
    """Settings by method from METHOD.NAME=VALUE; what is not a number is a word."""
    settings: dict[str, dict[str, float | str]] = {}
    for text in texts:
        path, equals, value = text.partition("=")
        method, dot, name = path.partition(".")
        if not (method and dot and name and equals and value):
            raise ValueError(f"compare: --set takes METHOD.NAME=VALUE, got {text!r}")
        try:
            settings.setdefault(method, {})[name] = float(value)
        except ValueError:
            settings[method][name] = value
    return settings
