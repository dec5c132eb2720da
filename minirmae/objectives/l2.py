"""The L2 baseline: reconstruct, with a penalty on the squares of the code.

    loss = mean (x_hat - x)^2 + weight * mean z^2

Both means are over all entries, of the images and of the codes.
"""

from __future__ import annotations

from minirmae.arrays import Array
from minirmae.objectives.code_penalty import baseline
from minirmae.ops.losses import LossBackward
from minirmae.validation import require_float


def mean_square(z: Array) -> tuple[Array, LossBackward]:
    """Mean of z^2 over all entries of `z`, any shape, and its backward `dloss -> dz`.

    The derivative per entry is `2 z / entries`. Raises TypeError if `z` is not floating.

    >>> import numpy as np
    >>> value, backward = mean_square(np.array([3.0, -1.0]))
    >>> float(value), backward()
    (5.0, array([ 3., -1.]))
    """
    require_float("mean_square", z=z)

    def backward(dloss: float = 1.0) -> Array:
        return z * (dloss * 2 / z.size)

    return (z * z).mean(), backward


RECIPE = baseline("l2", "AE + L2", "squares", mean_square)
