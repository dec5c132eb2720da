"""What a gradient check found: one row for each property, one report for each function.

A row compares an error with a tolerance and ends in a verdict. There are three
verdicts, not two: a numerical derivative that could not be trusted is
*inconclusive*, which is neither a pass nor the discovery of a bug.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

Verdict = Literal["pass", "fail", "inconclusive"]


@dataclass(frozen=True)
class Row:
    """One property of one argument.

    `argument` is the argument's name, `y` for the value, or `all` where every
    argument takes part at once. `error` is relative and has no unit; it passes
    at or below `tolerance`. `index` is the entry with the largest
    disagreement, and `analytic` and `numeric` are the two numbers that
    disagree there; without an index they are directional derivatives.
    """

    argument: str
    rung: str
    method: str
    error: float
    tolerance: float
    verdict: Verdict
    index: tuple[int, ...] | None = None
    analytic: float | None = None
    numeric: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Report:
    """Every row of one checked function, with the seed that repeats it.

    >>> row = Row("x", "derivative", "complex step", 2e-16, 1e-12, "pass", None, 1.25, 1.25)
    >>> print(Report("sigmoid", 0, (row,)))
    sigmoid: pass (seed 0)
      argument  rung        method        error    tolerance  at  analytic  numeric  verdict
      x         derivative  complex step  2.0e-16  1.0e-12    -   1.25      1.25     pass
    """

    name: str
    seed: int
    rows: tuple[Row, ...]

    @property
    def verdict(self) -> Verdict:
        """`pass` if there are rows and all pass; `fail` if one fails or there is none."""
        verdicts = {row.verdict for row in self.rows}
        if not verdicts or "fail" in verdicts:
            return "fail"
        return "inconclusive" if "inconclusive" in verdicts else "pass"

    @property
    def passed(self) -> bool:
        """Whether every row passed; inconclusive is not passed."""
        return self.verdict == "pass"

    @property
    def failures(self) -> tuple[Row, ...]:
        """The rows that did not pass."""
        return tuple(row for row in self.rows if row.verdict != "pass")

    @property
    def worst(self) -> Row:
        """The row to look at first: the worst verdict, then the largest error in units of its tolerance.

        Raises ValueError if the report has no rows.
        """
        if not self.rows:
            raise ValueError(f"{self.name}: the report has no rows; ask for at least one rung")
        return max(self.rows, key=_badness)

    def largest_error(self, rung: str) -> float:
        """Largest error among the rows of `rung`; 0 if there is none."""
        return max((row.error for row in self.rows if row.rung == rung), default=0.0)

    def require(self) -> Report:
        """Return the report itself if it passed; raise AssertionError with the table if it did not."""
        if not self.passed:
            raise AssertionError(str(self))
        return self

    def to_json(self) -> dict[str, Any]:
        """The report as dicts, lists, strings and finite numbers; a number that is not finite becomes None."""
        rows = [{key: _finite(value) for key, value in asdict(row).items()} for row in self.rows]
        return {"name": self.name, "seed": self.seed, "verdict": self.verdict, "rows": rows}

    def __str__(self) -> str:
        """The report as a table, failures with their notes below it."""
        cells: list[tuple[str, ...]] = [
            ("argument", "rung", "method", "error", "tolerance", "at", "analytic", "numeric", "verdict")
        ]
        cells += [_cells(row) for row in self.rows]
        widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in cells]
        notes = [f"{row.rung} of {row.argument}, {row.method}: {row.note}" for row in self.rows if row.note]
        head = f"{self.name}: {self.verdict} (seed {self.seed})"
        return "\n".join([head, *("  " + line.rstrip() for line in lines), *("  note: " + note for note in notes)])


def measured(argument: str, rung: str, method: str, error: float, tolerance: float, **details: Any) -> Row:
    """A row that passes if `error` is at most `tolerance`; an error that is not a number fails."""
    return Row(argument, rung, method, error, tolerance, "pass" if error <= tolerance else "fail", **details)


def guarded(rung: str, method: str, produce: Callable[[], Iterable[Row]]) -> list[Row]:
    """The rows of `produce`; if the checked function raises, one failing row that says what it raised."""
    try:
        return list(produce())
    except Exception as error:  # any exception of foreign code is a finding, not the end of the report
        note = f"raised {type(error).__name__}: {error}"
        return [Row("all", rung, method, math.inf, 0.0, "fail", note=note)]


def _badness(row: Row) -> tuple[int, float]:
    ratio = row.error / row.tolerance if row.tolerance else (math.inf if row.error else 0.0)
    return ("pass", "inconclusive", "fail").index(row.verdict), math.inf if math.isnan(ratio) else ratio


def _cells(row: Row) -> tuple[str, ...]:
    index = "-" if row.index is None else ",".join(map(str, row.index)) or "()"
    numbers = ("-" if value is None else f"{value:.6g}" for value in (row.analytic, row.numeric))
    error, tolerance = f"{row.error:.1e}", f"{row.tolerance:.1e}"
    return (row.argument, row.rung, row.method, error, tolerance, index, *numbers, row.verdict)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
