"""Can the neighbourhoods of a map be trusted?

A map is trustworthy if the neighbours that it shows are neighbours in the data
as well, and continuous if neighbours in the data are still neighbours on the map.
Both compare only the order of distances, so scale does not matter.
"""

from __future__ import annotations

import numpy as np

from minirmae.arrays import Array
from minirmae.measures.codes import require_matrix
from minirmae.measures.distances import squared_distances
from minirmae.validation import require_positive_int


def trustworthiness(x: Array, y: Array, neighbours: int = 12) -> float:
    """Return how far the neighbourhoods of the map `y` (N, m) of the points `x` (N, d) can be trusted, in [0, 1].

    With k neighbours, U(i) the points among the k nearest of i in the map but
    not in the data, and r(i, j) the place of j in the order of the distances
    from i in the data, 1 for the nearest,

        1 - 2 / (N k (2 N - 3 k - 1)) * sum_i sum_{j in U(i)} (r(i, j) - k).

    The factor makes the worst map 0. Equal distances count in the order of the
    rows. Venna and Kaski 2001, "Neighborhood preservation in nonlinear
    projection methods: an experimental study".

    Raises TypeError or ValueError unless both are finite float matrices of N rows and 1 <= neighbours < N / 2.

    >>> x = np.arange(10.0)[:, None]
    >>> trustworthiness(x, -3 * x, neighbours=2)
    1.0
    """
    where = "trustworthiness"
    x, y = require_matrix(where, "x", x), require_matrix(where, "y", y)
    count, k = len(x), neighbours
    if len(y) != count:
        raise ValueError(f"{where}: x and y must have one row for each point, got {count} and {len(y)} rows")
    require_positive_int(where, neighbours=k)
    if not k < count / 2:
        raise ValueError(f"{where}: neighbours must be less than half the number of points, {count}; got {k}")
    ranks = np.empty((count, count), dtype=np.int64)
    np.put_along_axis(ranks, _order(x), np.arange(1, count + 1)[None, :], axis=1)
    shown = np.take_along_axis(ranks, _order(y)[:, :k], axis=1)
    penalty = float(np.maximum(shown - k, 0).sum())
    return 1 - 2 * penalty / (count * k * (2 * count - 3 * k - 1))


def continuity(x: Array, y: Array, neighbours: int = 12) -> float:
    """Return how well the neighbourhoods of `x` (N, d) survive in the map `y` (N, m), in [0, 1].

    It is the trustworthiness with data and map exchanged; raises what that raises.
    """
    return trustworthiness(y, x, neighbours)


def _order(points: Array) -> Array:
    """Indices (N, N) that sort each point's distances to the others, nearest first, the point itself last."""
    distances = squared_distances(points)
    np.fill_diagonal(distances, np.inf)
    return np.argsort(distances, axis=1, kind="stable")
