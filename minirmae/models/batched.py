"""Values of a layer at more inputs than one forward should hold."""

from __future__ import annotations

from minirmae.arrays import Array, array_module
from minirmae.layers import Layer
from minirmae.validation import require_positive_int


def in_batches(layer: Layer, x: Array, batch_size: int) -> Array:
    """Return the values of `layer` at all of `x`, `batch_size` at a time, each backward dropped at once.

    Raises what the layer raises, and ValueError unless `batch_size` is an integer of at least 1.

    >>> import numpy as np
    >>> from minirmae.layers import Flatten
    >>> in_batches(Flatten(), np.zeros((5, 2, 3)), 2).shape
    (5, 6)
    """
    require_positive_int("batch", batch_size=batch_size)
    first, _ = layer(x[:batch_size])
    result = array_module(first).empty((len(x), *first.shape[1:]), dtype=first.dtype)
    result[: len(first)] = first
    for start in range(batch_size, len(x), batch_size):
        stop = start + batch_size
        result[start:stop] = layer(x[start:stop])[0]
    return result
