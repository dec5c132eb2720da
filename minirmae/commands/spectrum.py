"""`minirmae spectrum`: how many directions the codes of one or more runs use."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minirmae.commands.options import add_device
from minirmae.commands.outcome import Outcome

if TYPE_CHECKING:
    from minirmae.report.analysis import Analysis

HELP = "compare the spectra of the codes of trained runs, as a table and a figure"
EXAMPLE = "minirmae spectrum runs/shapes-0 runs/shapes-4 --out spectra.png"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the runs and the options."""
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="directory of a run")
    parser.add_argument(
        "--images", type=int, metavar="N", default=10_000, help="take at most N evaluation images (default: 10000)"
    )
    add_device(parser)
    parser.add_argument("--out", type=Path, help="the figure's file (default: figures/spectrum.png of the first run)")


def run(args: argparse.Namespace) -> Outcome:
    """Analyse the runs, draw their spectra, tabulate their ranks."""
    from minirmae.report.analysis import analyse, rank_table, unique_labels
    from minirmae.report.plots import save_figure, spectrum_figure
    from minirmae.runs import open_run

    runs = [open_run(directory) for directory in args.runs]
    analyses = [analyse(run, images=args.images, device=args.device) for run in runs]
    labels = unique_labels(analyses)
    path = args.out or runs[0].figure_path("spectrum.png")
    spectra = {text: a.ranks.eigenvalues for text, a in zip(labels, analyses, strict=True)}
    save_figure(spectrum_figure(spectra), path)
    records = [_record(text, a) for text, a in zip(labels, analyses, strict=True)]
    table = rank_table(labels, analyses).text()
    return Outcome({"figure": str(path), "runs": records}, f"{table}\nwrote {path}")


def _record(text: str, a: Analysis) -> dict[str, Any]:
    return {
        "label": text,
        "run": str(a.run.directory),
        "step": a.step,
        "images": len(a.dataset),
        "loss": a.loss,
        "codes": a.ranks.to_json(),
        "before_linear_layers": a.hidden_ranks.to_json(),
        "product_singular_values": None if a.product is None else a.product.tolist(),
    }
