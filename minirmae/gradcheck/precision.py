"""Rung 5, single precision and other devices: their results against float64 ones of NumPy.

A difference quotient in float32 shows nothing but rounding, so the gradient
is checked in float64 and float32 is then compared with it, both at the same
inputs. Rounding errors of a sum of L terms grow like eps sqrt(L) if they are
independent, and that with a stated constant is the bound. The same bound, with
the eps of the precision, holds for what another device computes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from minirmae.arrays import Array
from minirmae.gradcheck.report import Row, measured
from minirmae.gradcheck.subject import Subject, draw_like, norm

CONSTANT = 8.0
"""The bound is CONSTANT eps sqrt(L), relative in the Euclidean norm."""
DRAWS = 3
"""Points compared before an argument fails.

A ReLU input within float32 rounding of its kink may fall on the other side of
it, which is not an error of either precision. It is rare, so a float32 path
that is really wrong differs from such a coincidence by failing at every point.
"""


def rows(subject: Subject, reduction_length: int | None) -> Iterator[Row]:
    """One row for the value and one for each gradient in float32; on another device in float32 and in float64.

    `reduction_length` is L; None takes the size of the largest array involved,
    since no sum is longer.
    """
    yield from _rows(subject, reduction_length, np.float32, "cpu")
    if subject.device != "cpu":
        for dtype in (np.float32, np.float64):
            yield from _rows(subject, reduction_length, dtype, subject.device)


def _rows(subject: Subject, reduction_length: int | None, dtype: Any, device: str) -> Iterator[Row]:
    """The rows of one precision on one device."""
    rng = subject.rng("precision")
    best: list[Row] = []
    for draw in range(DRAWS):
        points = [np.asarray(a.astype(dtype)) for a in subject.arrays]
        if draw:
            points = [np.asarray(a * (1 + 1e-2 * rng.random(a.shape, np.float32)), dtype) for a in points]
        found = list(_compare(subject, rng, points, reduction_length, device))
        best = [min(pair, key=lambda row: row.error) for pair in zip(best or found, found, strict=True)]
        if all(row.verdict == "pass" for row in best):
            break
    yield from best


def _compare(
    subject: Subject, rng: np.random.Generator, points: Sequence[Array], reduction_length: int | None, device: str
) -> Iterator[Row]:
    dtype = points[0].dtype
    y, pull = subject.evaluate([a.astype(np.float64) for a in points])
    v = draw_like(rng, y).astype(dtype)
    reference = [y.copy(), *pull(v.astype(np.float64))]
    rounded_y, rounded_pull = subject.evaluate([a.copy() for a in points], device)
    compared = [rounded_y.copy(), *rounded_pull(v)]
    length = reduction_length or max(1, *(array.size for array in reference))
    bound = CONSTANT * float(np.finfo(dtype).eps) * math.sqrt(length)
    method = "against float64" if device == "cpu" else f"{dtype} on {device}"
    for name, exact, rounded in zip(("y", *subject.arguments), reference, compared, strict=True):
        difference, scale = norm([exact - rounded]), norm([exact])
        error = (difference / scale if scale else math.inf) if difference else 0.0
        yield measured(name, "float32", method, error, bound)
