"""Activations: functions of one number, applied to every entry.

Each returns `y` with the shape and dtype of `x`, and `backward(dy) -> dx`;
by the chain rule `dx = dy f'(x)`. They are complex-safe: branches look at
`x.real`, so that along a small imaginary step they are the analytic
continuation of the real function.
"""

from __future__ import annotations

from collections.abc import Callable

from minirmae.arrays import Array, array_module
from minirmae.validation import require_cotangent, require_float

ArrayBackward = Callable[[Array], Array]


def relu(x: Array) -> tuple[Array, ArrayBackward]:
    """Rectifier `max(x, 0)`, with slope 0 at the kink `x = 0`.

    Raises TypeError if `x` is not floating.

    >>> import numpy as np
    >>> y, backward = relu(np.array([-1.0, 0.0, 2.0]))
    >>> y + 0.0, backward(np.ones(3))
    (array([0., 0., 2.]), array([0., 0., 1.]))
    """
    require_float("relu", x=x)
    y = rectify(x)

    def backward(dy: Array) -> Array:
        require_cotangent("relu backward", dy, y)
        return gate(dy, y)

    return y, backward


def rectify(x: Array, out: Array | None = None) -> Array:
    """`max(x, 0)`, written into `out` if that is given; complex numbers by their real parts."""
    # NumPy's maximum is the fastest, but orders complex numbers lexicographically.
    xp = array_module(x)
    return xp.multiply(x, x.real > 0, out=out) if x.dtype.kind == "c" else xp.maximum(x, 0, out=out)


def gate(dy: Array, y: Array) -> Array:
    """The gradient in front of the rectifier whose value is y, for dy behind it."""
    return dy * (y.real > 0)


def leaky_relu(x: Array, slope: float = 0.01) -> tuple[Array, ArrayBackward]:
    """Leaky rectifier (Maas, Hannun, Ng 2013): `x` where positive, `slope * x` elsewhere, kink included.

    Raises TypeError if `x` is not floating.
    """
    require_float("leaky_relu", x=x)
    factor = array_module(x).where(x.real > 0, 1.0, slope).astype(x.real.dtype)
    y = x * factor

    def backward(dy: Array) -> Array:
        require_cotangent("leaky_relu backward", dy, y)
        return dy * factor

    return y, backward


def sigmoid(x: Array) -> tuple[Array, ArrayBackward]:
    """Logistic function `1 / (1 + exp(-x))`; its derivative is `y (1 - y)`.

    Only `exp(-|x|)` is taken, so nothing overflows and small values keep their digits.

    Raises TypeError if `x` is not floating.
    """
    require_float("sigmoid", x=x)
    xp = array_module(x)
    positive = x.real >= 0
    decay = xp.exp(xp.where(positive, -x, x))
    y = xp.where(positive, 1, decay) / (1 + decay)

    def backward(dy: Array) -> Array:
        require_cotangent("sigmoid backward", dy, y)
        # y (1 - y) written with both factors positive: 1 - y would cancel for large x.
        return dy * (decay / (1 + decay) ** 2)

    return y, backward


def tanh(x: Array) -> tuple[Array, ArrayBackward]:
    """Hyperbolic tangent; its derivative is `1 - y^2`.

    Raises TypeError if `x` is not floating.
    """
    require_float("tanh", x=x)
    y = array_module(x).tanh(x)

    def backward(dy: Array) -> Array:
        require_cotangent("tanh backward", dy, y)
        return dy * ((1 - y) * (1 + y))

    return y, backward
