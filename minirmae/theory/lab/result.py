"""What a theorem's check found: a prediction, a measurement, and the distance between them.

A `Check` is one comparison; a `Result` is all comparisons of one theorem. A check
passes if its error is at most its tolerance; a NaN never passes. Three functions
build checks: `compare` for "these are equal", `at_most` and `at_least` for "this
bound holds".
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

T = TypeVar("T")


@dataclass(frozen=True)
class Check:
    """One comparison of theory and experiment.

    Attributes:
        name: what is compared; the same for every seed and size, so that a table can group them.
        prediction: the theory's number; of an array, the entry where the two differ most.
        measurement: the experiment's number at that entry.
        error: distance of the two, by default absolute (see `compare`).
        tolerance: the largest error that passes.
        seed: the seed that repeats it.
        seconds: time of the simulation.
        speedup: time of the simulation over time of the closed form, where both were clocked.
        note: size, setting or remark, for the reader.

    >>> Check("half time", 2.0, 2.0000001, 1e-7, 1e-9, seed=0).passed
    False
    """

    name: str
    prediction: float
    measurement: float
    error: float
    tolerance: float
    seed: int
    seconds: float = 0.0
    speedup: float | None = None
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether the error is a number and at most the tolerance."""
        return self.error <= self.tolerance

    @property
    def badness(self) -> float:
        """Error in units of the tolerance: above 1 fails; infinite if it is not a number."""
        if math.isnan(self.error):
            return math.inf
        if self.tolerance == 0:
            return math.inf if self.error > 0 else 0.0
        return self.error / self.tolerance

    def to_json(self) -> dict[str, Any]:
        """The fields and the verdict as a dict that `json.dumps` takes; a number that is not finite becomes None."""
        return {key: _finite(value) for key, value in {**asdict(self), "passed": self.passed}.items()}


@dataclass(frozen=True)
class Result:
    """One theorem's checks.

    Attributes:
        name: the entry, such as "two-layer".
        title: what it is about, in a few words.
        checks: the comparisons, all of them.
        seconds: time of the whole entry.
    """

    name: str
    title: str
    checks: tuple[Check, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether there are checks and every one passed."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """The result as dicts, lists, strings and finite numbers."""
        checks = [check.to_json() for check in self.checks]
        return {
            "name": self.name,
            "title": self.title,
            "passed": self.passed,
            "seconds": self.seconds,
            "checks": checks,
        }


def compare(
    name: str,
    prediction: ArrayLike,
    measurement: ArrayLike,
    tolerance: float,
    *,
    seed: int,
    relative: bool = False,
    seconds: float = 0.0,
    speedup: float | None = None,
    note: str = "",
) -> Check:
    """Check that two numbers or arrays are equal to within `tolerance`, entry by entry.

    Args:
        prediction, measurement: of one shape, real and not empty.
        tolerance: the largest |prediction - measurement| that passes.
        relative: divide each difference by the size of its prediction.

    Raises ValueError if the shapes differ or are empty.

    >>> check = compare("modes", [1.0, 2.0], [1.0, 2.5], 0.1, seed=0)
    >>> check.prediction, check.measurement, check.error, check.passed
    (2.0, 2.5, 0.5, False)
    """
    p, m = np.asarray(prediction, dtype=float), np.asarray(measurement, dtype=float)
    if p.shape != m.shape or p.size == 0:
        raise ValueError(f"compare({name!r}): expected two arrays of one shape, not empty; got {p.shape}, {m.shape}")
    difference = np.abs(p - m)
    if relative:
        # 0 predicted and 0 measured is no error; 0 predicted and anything else is an infinite one.
        with np.errstate(divide="ignore", invalid="ignore"):
            difference = np.where(difference == 0, 0.0, difference / np.abs(p))
    worst = int(np.where(np.isnan(difference), np.inf, difference).argmax())
    return Check(
        name,
        float(p.flat[worst]),
        float(m.flat[worst]),
        float(difference.flat[worst]),
        tolerance,
        seed,
        seconds,
        speedup,
        note,
    )


def at_most(name: str, bound: float, measurement: float, *, seed: int, slack: float = 0.0, **details: Any) -> Check:
    """Check that `measurement <= bound + slack`; the error is the excess over the bound.

    >>> at_most("error", 0.05, 0.01, seed=0).passed
    True
    """
    excess = float(measurement) - float(bound)
    return Check(
        name, float(bound), float(measurement), excess if excess != excess else max(excess, 0.0), slack, seed, **details
    )


def at_least(name: str, bound: float, measurement: float, *, seed: int, slack: float = 0.0, **details: Any) -> Check:
    """Check that `measurement >= bound - slack`; the error is what is missing.

    >>> at_least("rank", 2, 1, seed=0).error
    1.0
    """
    missing = float(bound) - float(measurement)
    return Check(
        name,
        float(bound),
        float(measurement),
        missing if missing != missing else max(missing, 0.0),
        slack,
        seed,
        **details,
    )


def timed(function: Callable[[], T], repeats: int = 1) -> tuple[T, float]:
    """Return what `function()` returns and the seconds it takes: the shortest of `repeats` calls.

    >>> timed(lambda: 3, repeats=2)[0]
    3
    """
    best = math.inf
    for _ in range(repeats):
        start = time.perf_counter()
        value = function()
        best = min(best, time.perf_counter() - start)
    return value, best


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
