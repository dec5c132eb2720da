"""Squared distances between all pairs of points, by differences, so that equal points are at a distance of exactly 0.

Products of points, |x|**2 + |y|**2 - 2 x y, would be faster and lose every
distance below a rounding error of |x|**2.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minirmae.arrays import Array

_BLOCK = 1 << 15
"""Number of distances computed at a time: they fit in a core's cache."""


def distance_blocks(x: Array) -> Iterator[tuple[slice, Array]]:
    """Yield slices of the rows of `x` (N, d) with |x_i - x_j|**2 of those rows i and all j, a new array (rows, N)."""
    columns = np.ascontiguousarray(x.T)
    rows = max(1, _BLOCK // max(len(x), 1))
    for start in range(0, len(x), rows):
        part = slice(start, start + rows)
        block = np.zeros((len(x[part]), len(x)), dtype=x.dtype)
        for column in columns:
            difference = column[part, None] - column
            difference *= difference
            block += difference
        yield part, block


def squared_distances(x: Array) -> Array:
    """Return |x_i - x_j|**2 of the rows of `x` (N, d) as (N, N), in the dtype of `x`; exactly symmetric.

    >>> squared_distances(np.array([[0.0, 0.0], [3.0, 4.0]]))
    array([[ 0., 25.],
           [25.,  0.]])
    """
    return np.concatenate([block for _, block in distance_blocks(x)])
