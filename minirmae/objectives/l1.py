"""The L1 baseline: reconstruct, with a penalty on the absolute values of the code.

    loss = mean (x_hat - x)^2 + weight * mean |z|

Both means are over all entries, of the images and of the codes.
"""

from __future__ import annotations

from minirmae.arrays import Array, array_module
from minirmae.objectives.code_penalty import baseline
from minirmae.ops.losses import LossBackward
from minirmae.validation import require_float


def mean_absolute(z: Array) -> tuple[Array, LossBackward]:
    """Mean of |z| over all entries of `z`, any shape, and its backward `dloss -> dz`.

    The derivative per entry is `sign(z) / entries`, with 0 at the kink `z = 0`.
    Raises TypeError if `z` is not floating.

    >>> import numpy as np
    >>> value, backward = mean_absolute(np.array([3.0, 0.0, -1.0, 0.0]))
    >>> float(value), backward()
    (1.0, array([ 0.25,  0.  , -0.25,  0.  ]))
    """
    require_float("mean_absolute", z=z)
    # z sign(z) continues |z| analytically; abs would drop the imaginary part of a complex step.
    sign = array_module(z).sign(z.real)

    def backward(dloss: float = 1.0) -> Array:
        return (sign * (dloss / z.size)).astype(z.dtype)

    return (z * sign).mean(), backward


RECIPE = baseline("l1", "AE + L1", "absolute values", mean_absolute)
