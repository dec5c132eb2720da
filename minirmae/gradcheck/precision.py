"""Rung 5, single precision: float32 results against float64 ones.

A difference quotient in float32 shows nothing but rounding, so the gradient
is checked in float64 and float32 is then compared with it, both at the same
inputs. Rounding errors of a sum of L terms grow like eps sqrt(L) if they are
independent, and that with a stated constant is the bound.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from minirmae.backend import Array
from minirmae.gradcheck.report import Row, measured
from minirmae.gradcheck.subject import Subject, draw_like, norm

CONSTANT = 8.0
"""The bound is CONSTANT eps32 sqrt(L), relative in the Euclidean norm."""
DRAWS = 3
"""Points compared before an argument fails.

A ReLU input within float32 rounding of its kink may fall on the other side of
it, which is not an error of either precision. It is rare, so a float32 path
that is really wrong differs from such a coincidence by failing at every point.
"""


def rows(subject: Subject, reduction_length: int | None) -> Iterator[Row]:
    """One row for the value and one for each gradient.

    `reduction_length` is L; None takes the size of the largest array involved,
    since no sum is longer.
    """
    rng = subject.rng("precision")
    best: list[Row] = []
    for draw in range(DRAWS):
        points = [np.asarray(a.astype(np.float32)) for a in subject.arrays]
        if draw:
            points = [np.asarray(a * (1 + 1e-2 * rng.random(a.shape, np.float32)), np.float32) for a in points]
        found = list(_compare(subject, rng, points, reduction_length))
        best = [min(pair, key=lambda row: row.error) for pair in zip(best or found, found, strict=True)]
        if all(row.verdict == "pass" for row in best):
            break
    yield from best


def _compare(
    subject: Subject, rng: np.random.Generator, points: Sequence[Array], reduction_length: int | None
) -> Iterator[Row]:
    y, pull = subject.evaluate([a.astype(np.float64) for a in points])
    v = draw_like(rng, y).astype(np.float32)
    reference = [y.copy(), *pull(v.astype(np.float64))]
    y32, pull32 = subject.evaluate([a.copy() for a in points])
    single = [y32.copy(), *pull32(v)]
    length = reduction_length or max(1, *(array.size for array in reference))
    bound = CONSTANT * float(np.finfo(np.float32).eps) * math.sqrt(length)
    for name, exact, rounded in zip(("y", *subject.arguments), reference, single, strict=True):
        difference, scale = norm([exact - rounded]), norm([exact])
        error = (difference / scale if scale else math.inf) if difference else 0.0
        yield measured(name, "float32", "against float64", error, bound)
