"""Which images train and which are held back, for sources that do not say so themselves.

The choice is a fixed function of the number of images and nothing else: no
run, whatever its seed, trains on an image that another run is evaluated on.
"""

from __future__ import annotations

import numpy as np

from minirmae.arrays import Array
from minirmae.data.dataset import DataError
from minirmae.data.streams import stream
from minirmae.validation import require_choice

SPLITS = ("train", "evaluation")

EVALUATION_FRACTION = 0.1
"""The part that is held back unless told otherwise."""


def split_indices(where: str, count: int, split: str, evaluation_fraction: float = EVALUATION_FRACTION) -> Array:
    """Return the indices, ascending, of the images among `count` that belong to `split`.

    The evaluation images are a random choice of `evaluation_fraction` of all,
    at least one; the training images are the rest, at least one.

    Raises ValueError for an unknown split, a fraction outside (0, 1) or fewer than two images.

    >>> len(split_indices("ten images", 10, "train", 0.2)), len(split_indices("ten images", 10, "evaluation", 0.2))
    (8, 2)
    """
    require_choice(where, "split", split, SPLITS)
    if not 0 < evaluation_fraction < 1:
        raise ValueError(f"{where}: evaluation_fraction must lie between 0 and 1, got {evaluation_fraction!r}")
    if count < 2:
        raise DataError(f"{where}: at least 2 images are needed to hold some back for evaluation, found {count}")
    held_back = min(max(1, round(count * evaluation_fraction)), count - 1)
    order = stream("split", count=count).permutation(count)
    return np.sort(order[:held_back] if split == "evaluation" else order[held_back:])
