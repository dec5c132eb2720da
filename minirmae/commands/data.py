"""`minirmae data`: describe, check, show and fetch data sets."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from minirmae.commands.outcome import Outcome
from minirmae.commands.status import StatusLine

HELP = "describe, check, show or fetch a data set"
EXAMPLE = "minirmae data info mnist\n  minirmae data show shapes --out shapes.png\n  minirmae data fetch mnist"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the action, its source and its options."""
    parser.add_argument(
        "action",
        choices=("info", "check", "show", "fetch"),
        help="info: what is in it; check: read all of it and list what is wrong; "
        "show: draw a sample grid; fetch: download mnist or fashion-mnist",
    )
    parser.add_argument(
        "source", help="shapes, mnist, fashion-mnist, a directory of IDX files or images, a .npy or .npz file"
    )
    parser.add_argument("--split", choices=("train", "evaluation"), default="train", help="default: train")
    parser.add_argument("--seed", type=int, default=0, help="seed of generated images (default: 0)")
    parser.add_argument("--out", type=Path, help="show: the picture's file (default: SOURCE.png); fetch: a directory")


def run(args: argparse.Namespace) -> Outcome:
    """Dispatch on the action."""
    return {"info": _info, "check": _check, "show": _show, "fetch": _fetch}[args.action](args)


def _info(args: argparse.Namespace) -> Outcome:
    from minirmae.data import describe, open_dataset

    result = describe(open_dataset(args.source, args.split, seed=args.seed))
    width = max(map(len, result))
    return Outcome(result, "\n".join(f"{key:<{width}}  {_value(value)}" for key, value in result.items()))


def _check(args: argparse.Namespace) -> Outcome:
    from minirmae.data import problems

    found = list(problems(args.source, seed=args.seed))
    text = "\n".join(found) if found else f"{args.source}: nothing wrong"
    return Outcome({"source": args.source, "problems": found}, text, status=1 if found else 0)


def _show(args: argparse.Namespace) -> Outcome:
    from minirmae.data import open_dataset
    from minirmae.report.plots import image_grid, save_figure

    rows, columns = 6, 10
    dataset = open_dataset(args.source, args.split, seed=args.seed)
    chosen = np.random.default_rng(args.seed).choice(len(dataset), min(rows * columns, len(dataset)), replace=False)
    images = dataset.batch(np.sort(chosen))
    blank = np.ones((rows * columns - len(images), *dataset.shape), dtype=images.dtype)
    grid = np.concatenate([images, blank]).reshape(rows, columns, *dataset.shape)
    path = args.out or Path(f"{dataset.name.replace('/', '-')}.png")
    save_figure(image_grid(grid, title=f"{len(images)} of {len(dataset):,} images of {dataset.name}"), path)
    return Outcome({"source": args.source, "figure": str(path)}, f"wrote {path}")


def _fetch(args: argparse.Namespace) -> Outcome:
    from minirmae.data import cache_directory, fetch

    directory = args.out or cache_directory() / args.source
    with StatusLine() as status:
        fetch(args.source, directory, progress=lambda *received: status.show(_received(*received)))
    text = f"the files of {args.source} are in {directory}, their checksums verified"
    return Outcome({"source": args.source, "directory": str(directory)}, text)


def _received(name: str, received: int, total: int | None) -> str:
    share = f" of {total / 1e6:.1f}" if total else ""
    return f"{name}: {received / 1e6:.1f}{share} MB"


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict):
        return ", ".join(f"{k}: {v:,}" for k, v in value.items())
    return " x ".join(map(str, value)) if isinstance(value, list) else str(value)
