"""The order in which a data set is visited, as a pure function of seed and epoch.

There is no sampler with a state to save: whoever knows the seed, the epoch and
the number of batches already done can resume in the middle of an epoch.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minirmae.arrays import Array
from minirmae.data.streams import require_natural, stream
from minirmae.validation import require_positive_int


def steps_per_epoch(count: int, batch_size: int) -> int:
    """Return the number of batches that cover `count` images, the last partial one included.

    >>> steps_per_epoch(100, 32)
    4
    """
    require_positive_int("steps_per_epoch", count=count, batch_size=batch_size)
    return -(-count // batch_size)


def epoch_order(count: int, seed: int, epoch: int) -> Array:
    """Return the permutation of 0..count-1, int64, in which `epoch` (from 0) visits the images.

    The same arguments always give the same order; different seeds or epochs give independent ones.

    Raises ValueError if `count` is below 1 or `seed` or `epoch` is negative.

    >>> sorted(epoch_order(6, seed=0, epoch=1).tolist())
    [0, 1, 2, 3, 4, 5]
    """
    require_positive_int("epoch_order", count=count)
    return stream("epoch order", epoch=epoch, seed=seed).permutation(count)


def batches(count: int, batch_size: int, *, seed: int, epoch: int, start: int = 0) -> Iterator[Array]:
    """Return an iterator over the index arrays of one shuffled epoch.

    Every image appears in exactly one batch; the last batch is smaller if
    `batch_size` does not divide `count`. `start` skips that many batches, to
    resume within an epoch.

    >>> [len(indices) for indices in batches(10, 4, seed=0, epoch=0)]
    [4, 4, 2]
    """
    steps = steps_per_epoch(count, batch_size)
    require_natural("batches", "start", start)
    order = epoch_order(count, seed, epoch)
    return (order[step * batch_size : (step + 1) * batch_size] for step in range(start, steps))


def ordered_batches(count: int, batch_size: int) -> Iterator[Array]:
    """Return an iterator over the index arrays that visit 0..count-1 in order, for evaluation.

    >>> [indices.tolist() for indices in ordered_batches(5, 2)]
    [[0, 1], [2, 3], [4]]
    """
    steps = steps_per_epoch(count, batch_size)
    return (np.arange(step * batch_size, min((step + 1) * batch_size, count)) for step in range(steps))


def spread_indices(total: int, count: int) -> Array:
    """Return `count` of the indices 0..total-1, ascending and spread evenly; all of them if there are no more.

    Evenly, because the images of a folder or of a data set are often sorted by class.

    >>> spread_indices(10, 4), spread_indices(3, 4)
    (array([0, 2, 5, 7]), array([0, 1, 2]))
    """
    require_positive_int("spread_indices", total=total, count=count)
    count = min(total, count)
    return np.arange(count) * total // count
