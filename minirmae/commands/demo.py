"""`minirmae demo`: the main job, from gradient checks to one page of results."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from minirmae.commands.options import add_engine, add_field
from minirmae.commands.outcome import Outcome

HELP = "check the gradients, train a plain autoencoder and an IRMAE, and show both on one page"
EXAMPLE = "minirmae demo\n  minirmae demo --quick --out /tmp/demo"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add size, engine, seed and place."""
    parser.add_argument("--quick", action="store_true", help="a small version, to see that everything works")
    add_field(parser, "linear_layers", default=4, meaning="linear layers of the IRMAE", metavar="L")
    add_engine(parser)
    add_field(parser, "seed", default=0, meaning="of images, weights and samples")
    parser.add_argument("--out", type=Path, help="directory of the results (default: runs/demo or runs/demo-quick)")


def run(args: argparse.Namespace) -> Outcome:
    """Run the demo and summarise it."""
    from minirmae.report.analysis import rank_table
    from minirmae.report.demo import FULL, QUICK, demo
    from minirmae.runs import Progress

    if args.linear_layers < 1:
        raise ValueError(f"demo: --linear-layers must be at least 1, got {args.linear_layers}; 0 is the other model")
    out = args.out or Path("runs") / ("demo-quick" if args.quick else "demo")
    result = demo(
        out,
        size=QUICK if args.quick else FULL,
        linear_layers=args.linear_layers,
        seed=args.seed,
        engine=args.engine,
        say=lambda text: print(text, file=sys.stderr, flush=True),
        progress=lambda label: Progress(f"     {label}"),
    )
    records = [{"label": a.label, "loss": a.loss, "step": a.step, "codes": a.ranks.to_json()} for a in result.analyses]
    table = rank_table([a.label for a in result.analyses], result.analyses).text()
    summary = {"page": str(result.page), "gradient_cases": len(result.reports), "runs": records}
    return Outcome(summary, f"{table}\n\nopen {result.page}")
