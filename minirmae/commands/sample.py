"""`minirmae sample`: pictures of what a trained run makes of codes, as in the paper."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from minirmae.commands.options import add_device
from minirmae.commands.outcome import Outcome

HELP = "draw reconstructions, interpolations or samples of a trained run"
EXAMPLE = "minirmae sample runs/shapes-4 --kind gmm --components 4"
_KINDS = ("reconstruction", "interpolation", "pca", "gaussian", "gmm")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the run, the kind of picture and the options."""
    parser.add_argument("run", type=Path, metavar="RUN", help="directory of a run")
    parser.add_argument(
        "--kind",
        choices=(*_KINDS, "all"),
        default="all",
        help="reconstruction: images and what becomes of them; interpolation: lines between ten pairs of codes; "
        "pca: a grid along the first two principal components, +-2 sigma; gaussian, gmm: samples from "
        "one Gaussian or a mixture fitted to the codes (default: all)",
    )
    parser.add_argument("--components", type=int, default=4, help="of the mixture (default: 4)")
    parser.add_argument(
        "--images", type=int, metavar="N", default=10_000, help="take at most N evaluation images (default: 10000)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the choice of images and of the samples (default: 0)")
    add_device(parser)
    parser.add_argument("--out", type=Path, help="directory of the pictures (default: figures/ of the run)")


def run(args: argparse.Namespace) -> Outcome:
    """Draw the pictures and say where they are."""
    from minirmae.report.analysis import analyse
    from minirmae.report.gallery import picture
    from minirmae.report.plots import save_figure
    from minirmae.runs import open_run

    opened = open_run(args.run)
    analysis = analyse(opened, images=args.images, device=args.device)
    written = {}
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
    for kind in _KINDS if args.kind == "all" else (args.kind,):
        figure = picture(analysis, kind, np.random.default_rng(args.seed), components=args.components)
        path = args.out / f"{kind}.png" if args.out is not None else opened.figure_path(f"{kind}.png")
        save_figure(figure, path)
        written[kind] = str(path)
    return Outcome({"run": str(args.run), "figures": written}, "\n".join(f"wrote {path}" for path in written.values()))
