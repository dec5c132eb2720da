"""Activations: functions of one number, applied to every entry; raise TypeError if `x` is not floating.

Each returns `y` with the shape and dtype of `x`, and `backward(dy) -> dx`; by the chain rule `dx = dy f'(x)`. They are
complex-safe: branches look at `x.real`, so that a small imaginary step moves along the analytic continuation.
"""

from collections.abc import Callable

from minirmae.arrays import Array, array_module
from minirmae.validation import require_cotangent, require_float

ArrayBackward = Callable[[Array], Array]


def relu(x: Array) -> tuple[Array, ArrayBackward]:
    """Rectifier `max(x, 0)`, with slope 0 at the kink `x = 0`; a NaN stays one.

    >>> import numpy as np
    >>> y, backward = relu(np.array([-1.0, 0.0, 2.0]))
    >>> y, backward(np.ones(3))
    (array([0., 0., 2.]), array([0., 0., 1.]))
    """
    require_float("relu", x=x)
    # NumPy's maximum would order complex numbers lexicographically.
    y = array_module(x).where(x.real <= 0, x.dtype.type(0), x)
    return y, _times("relu backward", y.real > 0, y)


def leaky_relu(x: Array, slope: float = 0.01) -> tuple[Array, ArrayBackward]:
    """Leaky rectifier (Maas, Hannun, Ng 2013): `x` where positive, `slope * x` elsewhere, kink included."""
    require_float("leaky_relu", x=x)
    factor = array_module(x).where(x.real > 0, 1.0, slope).astype(x.real.dtype)
    y = x * factor
    return y, _times("leaky_relu backward", factor, y)


def sigmoid(x: Array) -> tuple[Array, ArrayBackward]:
    """Logistic function `1 / (1 + exp(-x))`; its derivative is `y (1 - y)`.

    Only `exp(-|x|)` is taken, so nothing overflows and small values keep their digits.
    """
    require_float("sigmoid", x=x)
    xp, positive = array_module(x), x.real >= 0
    decay = xp.exp(xp.where(positive, -x, x))
    y = xp.where(positive, 1, decay) / (1 + decay)
    # y (1 - y) written with both factors positive: 1 - y would cancel for large x.
    return y, _times("sigmoid backward", decay / (1 + decay) ** 2, y)


def tanh(x: Array) -> tuple[Array, ArrayBackward]:
    """Hyperbolic tangent; its derivative is `1 - y^2`."""
    require_float("tanh", x=x)
    y = array_module(x).tanh(x)
    return y, _times("tanh backward", (1 - y) * (1 + y), y)


def _times(where: str, slope: Array, y: Array) -> ArrayBackward:
    """The backward of an activation with value y and derivative `slope`."""

    def backward(dy: Array) -> Array:
        require_cotangent(where, dy, y)
        return dy * slope

    return backward
