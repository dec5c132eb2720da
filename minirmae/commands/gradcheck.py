"""`minirmae gradcheck`: every hand-written gradient of this library against the ladder."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from minirmae.commands.options import add_device
from minirmae.commands.outcome import Outcome
from minirmae.commands.status import StatusLine

if TYPE_CHECKING:
    from minirmae.gradcheck import Report

HELP = "check every op, layer and preset model against numerical derivatives"
EXAMPLE = "minirmae gradcheck --select conv2d relu\n  minirmae gradcheck --json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the selection and the seed."""
    parser.add_argument("--select", nargs="+", metavar="NAME", help="only these cases (default: all)")
    parser.add_argument("--no-presets", action="store_true", help="leave out the preset models, the largest cases")
    parser.add_argument("--seed", type=int, default=0, help="seed of the points and directions (default: 0)")
    add_device(parser)
    parser.add_argument("--verbose", action="store_true", help="print every row of every report")


def run(args: argparse.Namespace) -> Outcome:
    """Run the suite; exit status 1 if a case did not pass."""
    from minirmae.gradcheck import RUNGS
    from minirmae.gradcheck.suite import selected
    from minirmae.report.page import Table

    cases = selected(args.select, not args.no_presets)
    reports = []
    with StatusLine() as status:
        for number, case in enumerate(cases, start=1):
            status.show(f"{number}/{len(cases)}  {case.name}")
            reports.append(case.run(args.seed, args.device))
    failed = [report for report in reports if not report.passed]
    rows = [(r.name, *(_error(r, rung) for rung in RUNGS), r.verdict) for r in reports]
    table = Table(("worst error of", *RUNGS, "verdict"), rows).text()
    summary = f"{len(reports) - len(failed)} of {len(reports)} cases passed (seed {args.seed})"
    text = "\n\n".join([*map(str, reports if args.verbose else failed), table, summary])
    result = {"seed": args.seed, "passed": not failed, "cases": [report.to_json() for report in reports]}
    return Outcome(result, text, status=1 if failed else 0)


def _error(report: Report, rung: str) -> str:
    """The largest error of a rung, or nothing if the case does not run it."""
    ran = any(row.rung == rung for row in report.rows)
    return f"{report.largest_error(rung):.1e}" if ran else ""
