"""One stream of random numbers for each purpose in this package, so that no two ever share numbers.

A generator is seeded with a list whose first entry names its use: whatever
seeds a user picks, a training image is never an evaluation image and an order
of visiting is never a choice of images.
"""

from __future__ import annotations

import numpy as np

_STREAMS = {"train shapes": 1, "evaluation shapes": 2, "epoch order": 3, "split": 4}


def stream(use: str, **numbers: int) -> np.random.Generator:
    """Return the generator for `use`, one of the four above, at the given numbers (a seed, an epoch, a count).

    Raises ValueError, naming the number, unless each is an integer of at least 0.
    """
    for name, value in numbers.items():
        require_natural(use, name, value)
    return np.random.default_rng([_STREAMS[use], *numbers.values()])


def require_natural(where: str, name: str, value: int) -> None:
    """Raise ValueError unless `value` is an integer of at least 0."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
        raise ValueError(f"{where}: {name} must be an integer of at least 0, got {value!r}")
