"""The columns of the tables: which of a run's measures are shown, and how."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """One measure.

    Attributes:
        name: in comparison.json.
        heading: in the table.
        value: takes it from a run's record; None where it is not there.
        decimals: digits after the point; None shows three digits of the mean, for a scale not known beforehand.
    """

    name: str
    heading: str
    value: Callable[[Record], float | None]
    decimals: int | None

    def summary(self, records: Sequence[Record]) -> dict[str, float | int] | None:
        """Return mean, standard deviation (divisor n - 1, 0 for one value) and number n of the values there are."""
        values = [value for value in map(self.value, records) if value is not None]
        if not values:
            return None
        mean = math.fsum(values) / len(values)
        squares = math.fsum((value - mean) ** 2 for value in values)
        return {"mean": mean, "std": math.sqrt(squares / max(len(values) - 1, 1)), "n": len(values)}

    def cell(self, records: Sequence[Record]) -> str:
        """Return the text of a cell: the mean, and the spread if there are several values; a dash if there is none."""
        summary = self.summary(records)
        if summary is None:
            return "-"
        decimals = _three_digits(summary["mean"]) if self.decimals is None else self.decimals
        mean = f"{summary['mean']:,.{decimals}f}"
        return mean if summary["n"] == 1 else f"{mean} ± {summary['std']:,.{decimals}f}"


def _three_digits(value: float) -> int:
    """Digits after the point that show three of `value`, at most 6."""
    return min(max(2 - math.floor(math.log10(abs(value))), 0), 6) if value else 0


def _get(*path: str) -> Callable[[Record], float | None]:
    """The value at a path of keys, None where it ends early."""

    def value(record: Record) -> float | None:
        found: Any = record
        for key in path:
            found = None if found is None else found.get(key)
        return found

    return value


def training_columns() -> list[Column]:
    """What training made: error, rank, time."""
    return [
        Column("reconstruction_error", "test MSE x 1000", _times(_get("reconstruction_error"), 1000), 2),
        Column("rank", "rank at 0.001", _get("rank"), 1),
        Column("effective_rank", "effective rank", _get("effective_rank"), 1),
        Column("trustworthiness", "map's trust", _get("trustworthiness"), 3),
        Column("seconds", "seconds", _get("seconds"), 0),
    ]


def picture_columns() -> list[Column]:
    """What the decoder makes of codes."""
    names = {"reconstruction": "reconstructions", "mixture": "mixture", "gaussian": "Gaussian"}
    frechet = [Column(f"frechet_{name}", text, _get("frechet", name), None) for name, text in names.items()]
    return [*frechet, Column("roughness", "roughness", _get("roughness"), 3)]


def label_columns(counts: Sequence[int]) -> list[Column]:
    """What a classifier reads off the codes, in percent, for each number of labels in `counts`."""
    texts = {"head": "head", "probe": "linear probe"}
    return [
        Column(f"{name}_{count}", f"{text}, {count:,}", _times(_get("accuracy", name, str(count)), 100), 1)
        for count in counts
        for name, text in texts.items()
    ]


def _times(value: Callable[[Record], float | None], factor: float) -> Callable[[Record], float | None]:
    def scaled(record: Record) -> float | None:
        found = value(record)
        return None if found is None else factor * found

    return scaled
