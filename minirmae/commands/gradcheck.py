"""`minirmae gradcheck`: every hand-written gradient of this library against the ladder."""

from __future__ import annotations

import argparse

from minirmae.commands.outcome import Outcome

HELP = "check every op, layer and preset model against numerical derivatives"
EXAMPLE = "minirmae gradcheck --select conv2d relu\n  minirmae gradcheck --json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the selection and the seed."""
    parser.add_argument("--select", nargs="+", metavar="NAME", help="only these cases (default: all)")
    parser.add_argument("--no-presets", action="store_true", help="leave out the preset models, the largest cases")
    parser.add_argument("--seed", type=int, default=0, help="seed of the points and directions (default: 0)")
    parser.add_argument("--verbose", action="store_true", help="print every row of every report")


def run(args: argparse.Namespace) -> Outcome:
    """Run the suite; exit status 1 if a case did not pass."""
    from minirmae.gradcheck.suite import run_suite
    from minirmae.report import Table

    reports = run_suite(select=args.select, seed=args.seed, presets=not args.no_presets)
    failed = [report for report in reports if not report.passed]
    rows = []
    for report in reports:
        worst = report.worst
        where = f"{worst.argument}, {worst.method}"
        rows.append((report.name, f"{worst.error:.1e}", f"{worst.tolerance:.1e}", where, report.verdict))
    text = Table(("case", "worst error", "tolerance", "where", "verdict"), rows).text()
    details = reports if args.verbose else failed
    summary = f"{len(reports) - len(failed)} of {len(reports)} cases passed (seed {args.seed})"
    text = "\n\n".join([*map(str, details), text, summary])
    result = {"seed": args.seed, "passed": not failed, "cases": [report.to_json() for report in reports]}
    return Outcome(result, text, status=1 if failed else 0)
