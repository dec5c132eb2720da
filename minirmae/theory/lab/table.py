"""Results as a text table: one row for each thing compared, the worst of its seeds and sizes."""

from __future__ import annotations

from collections.abc import Sequence

from minirmae.theory.lab.result import Check, Result

HEADER = ("result", "prediction", "measurement", "error", "tolerance", "ratio", "seconds", "verdict")


def table(results: Sequence[Result], *, every: bool = False) -> str:
    """Return the results as a table.

    Checks of one name are one row: the numbers of the worst of them, the
    smallest ratio (time of the simulation over time of the closed form) and
    the seconds of all together. Failures are listed below the table, with the seed that
    repeats them.

    Args:
        every: a row for every check instead, with its seed and note.

    >>> check = Check("half time", 2.0, 2.5, 0.5, 0.1, seed=3, seconds=0.25, speedup=4e4, note="8 modes")
    >>> print(table([Result("two-layer", "two layers, mode by mode", (check,), 0.3)]))
    result                               prediction  measurement  error    tolerance  ratio   seconds  verdict
    two-layer: two layers, mode by mode                                                       0.3      FAIL
      half time                          2           2.5          5.0e-01  1.0e-01    40,000  0.2      FAIL
    1 of 1 checks failed
      two-layer, half time, seed 3: 8 modes
    """
    rows: list[tuple[str, ...]] = [HEADER]
    for result in results:
        blank = ("",) * 5
        rows.append((f"{result.name}: {result.title}", *blank, f"{result.seconds:.1f}", _verdict(result.passed)))
        groups = [[check] for check in result.checks] if every else _by_name(result.checks)
        rows += [_row(group, every) for group in groups]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, *_summary(results)])


def _by_name(checks: Sequence[Check]) -> list[list[Check]]:
    groups: dict[str, list[Check]] = {}
    for check in checks:
        groups.setdefault(check.name, []).append(check)
    return list(groups.values())


def _row(group: list[Check], every: bool) -> tuple[str, ...]:
    worst = max(group, key=lambda check: check.badness)
    label = worst.name if len(group) == 1 else f"{worst.name} (worst of {len(group)})"
    if every:
        label = f"{worst.name}, seed {worst.seed}" + (f", {worst.note}" if worst.note else "")
    speedups = [check.speedup for check in group if check.speedup is not None]
    return (
        f"  {label}",
        f"{worst.prediction:.6g}",
        f"{worst.measurement:.6g}",
        f"{worst.error:.1e}",
        f"{worst.tolerance:.1e}",
        f"{min(speedups):,.0f}" if speedups else "",
        f"{sum(check.seconds for check in group):.1f}",
        _verdict(all(check.passed for check in group)),
    )


def _summary(results: Sequence[Result]) -> list[str]:
    checks = [(result.name, check) for result in results for check in result.checks]
    failures = [(name, check) for name, check in checks if not check.passed]
    empty = [f"  {result.name}: made no check" for result in results if not result.checks]
    if not failures and not empty:
        return [f"all {len(checks)} checks passed"]
    lines = [f"  {name}, {check.name}, seed {check.seed}: {check.note}" for name, check in failures]
    return [f"{len(failures)} of {len(checks)} checks failed", *lines, *empty]


def _verdict(passed: bool) -> str:
    return "pass" if passed else "FAIL"
