"""k-means: split points into clusters, as the start of a mixture.

Seeding (k-means++) picks each new centre among the points with probability
proportional to the squared distance from the centres so far, so that the
centres spread out; a few of Lloyd's iterations then move each centre to the
mean of the points nearest to it.
"""

from __future__ import annotations

import numpy as np

from minirmae.arrays import Array, array_module, asarray, asnumpy, device_of
from minirmae.validation import require_positive_int


def kmeans_plus_plus(points: Array, clusters: int, rng: np.random.Generator) -> Array:
    """Return `clusters` distinct rows of `points` (N, n) as centres (clusters, n).

    Arthur and Vassilvitskii 2007, "k-means++: the advantages of careful
    seeding". Raises ValueError if the points hold fewer distinct rows than
    `clusters`.
    """
    require_positive_int("kmeans_plus_plus", clusters=clusters)
    xp = array_module(points)
    centres = [points[int(rng.integers(len(points)))]]
    nearest = _squared_distances(points, centres[0])
    while len(centres) < clusters:
        weights = asnumpy(nearest)
        total = weights.sum()
        if total == 0:
            raise ValueError(
                f"kmeans_plus_plus: {clusters} clusters need as many distinct points, got {len(centres)} "
                f"among {len(points)}; ask for at most {len(centres)} clusters (components)"
            )
        centres.append(points[int(rng.choice(len(points), p=weights / total))])
        nearest = xp.minimum(nearest, _squared_distances(points, centres[-1]))
    stacked: Array = xp.stack(centres)
    return stacked


def lloyd(points: Array, centres: Array, iterations: int) -> Array:
    """Return the labels (N,), a NumPy array, of `points` (N, n) after `iterations` of k-means from `centres` (k, n).

    It ends earlier when nothing changes any more, or when the next step would
    empty a cluster. So every cluster keeps at least one point, provided that
    every starting centre is the nearest one of some point, as those of
    `kmeans_plus_plus` are.
    """
    clusters, xp, device = len(centres), array_module(points), device_of(points)
    labels = asnumpy(_nearest(points, centres))
    for _ in range(iterations):
        members = [asarray(np.flatnonzero(labels == k), device) for k in range(clusters)]
        centres = xp.stack([points[chosen].mean(axis=0) for chosen in members])
        moved = asnumpy(_nearest(points, centres))
        if np.array_equal(moved, labels) or np.bincount(moved, minlength=clusters).min() == 0:
            break
        labels = moved
    return labels


def _nearest(points: Array, centres: Array) -> Array:
    """Return the index (N,) of the centre nearest to each point, the first of equals."""
    xp = array_module(points)
    distances = [_squared_distances(points, centres[k]) for k in range(len(centres))]
    nearest: Array = xp.argmin(xp.stack(distances), axis=0)
    return nearest


def _squared_distances(points: Array, centre: Array) -> Array:
    """Return |x - c|**2 for each point; by differences, so that it is exactly 0 for a point equal to `centre`."""
    squares: Array = array_module(points).square(points - centre)
    return squares.sum(axis=1)
