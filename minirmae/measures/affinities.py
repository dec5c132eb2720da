"""The affinities of t-SNE: to what degree one point is a neighbour of another.

Each point i sees the others through a Gaussian of its own width,

    p_{j|i} = exp(-b_i |x_i - x_j|^2) / sum_{k != i} exp(-b_i |x_i - x_k|^2),   b_i = 1 / (2 s_i^2),

which is chosen so that 2 to the entropy of p_{.|i} in bits, the perplexity, is
the same for all points: an effective number of neighbours. The entropy falls from
ln(N - 1) at b = 0 as b grows, so b is found by bisection.
"""

from __future__ import annotations

import math

import numpy as np

from minirmae.arrays import Array
from minirmae.measures.codes import require_matrix
from minirmae.measures.distances import squared_distances

MAX_POINTS = 5000
"""More points than this are refused: exact t-SNE holds several matrices of N x N numbers."""
_BISECTIONS = 200
_TOLERANCE = 1e-10  # of the entropy, in nats


def conditional_affinities(x: Array, perplexity: float = 30.0) -> Array:
    """Return p_{j|i} for the rows of `x` (N, d) as (N, N) float64: each row sums to 1, its own entry is 0.

    Van der Maaten and Hinton 2008, equation 1. A point with more copies of
    itself than `perplexity` has no such width: it sees its copies, equally.

    Raises TypeError or ValueError unless `x` is a finite float matrix of at
    most `MAX_POINTS` rows, and 1 <= perplexity < N - 1.
    """
    where = "affinities"
    x = require_matrix(where, "x", x, rows=3)
    count = len(x)
    if count > MAX_POINTS:
        raise ValueError(
            f"{where}: at most {MAX_POINTS} points, got {count}: memory and time grow with their square. "
            "Take a random subset, x[rng.choice(len(x), 1000, replace=False)]"
        )
    if not 1 <= perplexity < count - 1:
        raise ValueError(
            f"{where}: perplexity must be at least 1 and less than N - 1 = {count - 1}, because it counts "
            f"a point's neighbours; got {perplexity}"
        )
    distances = squared_distances(x)
    np.fill_diagonal(distances, np.inf)
    # Taken from the nearest neighbour and in units of the mean, a row's exponentials cannot all underflow.
    distances -= distances.min(axis=1, keepdims=True)
    unit = np.where(np.isfinite(distances), distances, 0.0).sum(axis=1, keepdims=True) / (count - 1)
    distances /= np.where(unit > 0, unit, 1.0)
    for row in distances:
        row[:] = _bisected(row, math.log(perplexity))
    return distances


def joint_affinities(x: Array, perplexity: float = 30.0) -> Array:
    """Return the joint affinities p_ij = (p_{j|i} + p_{i|j}) / (2 N) as (N, N), symmetric, summing to 1.

    So every point counts, outliers too (section 3.1 of the paper). Raises what `conditional_affinities` raises.
    """
    conditional = conditional_affinities(x, perplexity)
    joint: Array = conditional + conditional.T
    joint /= 2 * len(joint)
    return joint


def _bisected(distances: Array, wanted: float) -> Array:
    """Return one point's affinities, of entropy `wanted` in nats, from its squared distances, the least of them 0."""
    low, high, b = 0.0, math.inf, 1.0
    finite = np.where(np.isfinite(distances), distances, 0.0)
    for _ in range(_BISECTIONS):
        p = np.exp(-b * distances)
        total = float(p.sum())
        p /= total
        entropy = math.log(total) + b * float(p @ finite)
        if abs(entropy - wanted) <= _TOLERANCE or (high - low) <= 1e-15 * b:
            break
        if entropy > wanted:
            low, b = b, 2 * b if high == math.inf else (b + high) / 2
        else:
            high, b = b, (low + b) / 2
    return p
