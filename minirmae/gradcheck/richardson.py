"""Rung 3, extrapolated differences: a derivative with an error bar.

Central differences `D(h) = (f(h) - f(-h)) / 2h` err by a series in h^2.
Halving h again and again and eliminating one term of the series after the
other (Richardson 1911; Ridders 1982) gives a table whose neighbouring entries
show how far they can be trusted. No single table is believed, since neighbours
may agree by luck: three with different steps are made and their spread counts.
So do rounding and the jump of the slope at 0, which a central difference cannot
see.
"""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass

TOLERANCE = 1e-9
"""Largest relative error, error bar included, that passes."""
LARGEST_STEPS = tuple(0.25 / 2 ** (k / 3) for k in range(3))
"""Where the tables start: no two share a step, so what one happens to hit the others miss."""
LEVELS = 12


@dataclass(frozen=True)
class Estimate:
    """A derivative and a bound, estimated generously, on how far it is from the true one."""

    value: float
    error: float


def derivative(f: Callable[[float], float], magnitude: float = 0.0) -> Estimate:
    """Derivative of `f` at 0.

    Args:
        f: a function of one number, called 73 times within [-1/4, 1/4].
        magnitude: size of the terms that `f` adds up, if larger than `|f|`: its
            rounding error is then a multiple of eps times this.

    Returns:
        An estimate whose error is infinite or large where `f` is not smooth at 0.

    >>> smooth = derivative(math.exp)
    >>> abs(smooth.value - 1) <= smooth.error < 1e-9
    True
    >>> derivative(abs).error > 1
    True
    """
    at_zero = f(0.0)
    tables = [_table(f, at_zero, largest, magnitude) for largest in LARGEST_STEPS]
    values, errors = [table.value for table in tables], [table.error for table in tables]
    error = max(errors) + max(values) - min(values)
    return Estimate(statistics.median(values), error if math.isfinite(error) else math.inf)


def _table(f: Callable[[float], float], at_zero: float, largest: float, magnitude: float) -> Estimate:
    steps = [largest / 2**level for level in range(LEVELS)]
    sides = [(f(h), f(-h)) for h in steps]
    magnitude = max([magnitude, abs(at_zero), *(abs(value) for side in sides for value in side)])
    best, previous = Estimate(math.nan, math.inf), list[float]()
    for h, (right, left) in zip(steps, sides, strict=True):
        row = [(right - left) / (2 * h)]
        rounding = 4 * sys.float_info.epsilon * magnitude / h
        for order, entry in enumerate(previous, start=1):
            row.append(row[-1] + (row[-1] - entry) / (4**order - 1))
            error = max(abs(row[-1] - row[-2]), abs(row[-1] - entry)) + rounding
            if error < best.error:
                best = Estimate(row[-1], error)
        previous = row
    # The best entry may come from large steps, at which a weak kink nearby cannot be seen: it
    # must agree with the smallest ones.
    finest = abs(best.value - previous[1])
    # s(h) = right slope - left slope = jump + h f''(0) + O(h^3): two steps give the jump. A kink
    # between those two steps shows only a part of itself and misleads the table: hence thrice.
    wide, narrow = ((sum(side) - 2 * at_zero) / h for h, side in zip(steps[-2:], sides[-2:], strict=True))
    return Estimate(best.value, best.error + finest + 3 * abs(2 * narrow - wide))
