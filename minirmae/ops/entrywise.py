"""Ops without parameters on every entry by itself: activations, dropout, new shapes. TypeError if `x` is not floating.

Each returns `y` with the dtype of `x`, and `backward(dy) -> dx`; by the chain rule `dx = dy f'(x)`. They are complex-
safe: branches look at `x.real`, so that a small imaginary step moves along the analytic continuation.
"""

import math
from collections.abc import Callable

from minirmae.arrays import Array, array_module
from minirmae.validation import require_cotangent, require_float, require_one_device, require_range, require_shape

ArrayBackward = Callable[[Array], Array]


def relu(x: Array) -> tuple[Array, ArrayBackward]:
    """Rectifier `max(x, 0)`, with slope 0 at the kink `x = 0`; a NaN stays one."""
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


def dropout(x: Array, keep: Array, rate: float) -> tuple[Array, ArrayBackward]:
    """Inverted dropout `y = x keep / (1 - rate)` (Srivastava et al. 2014, section 10); the scale keeps y's expectation.

    `keep` is boolean, of the shape of x, True with probability 1 - rate where it was drawn; rate is in [0, 1).
    """
    require_float("dropout", x=x)
    require_shape("dropout", "keep", keep, x.shape)
    if keep.dtype != bool:
        raise TypeError(f"dropout: keep must be boolean, got {keep.dtype}")
    require_one_device("dropout", x=x, keep=keep)
    require_range("dropout", "rate", rate, 0, 1)
    factor = keep * x.dtype.type(1 / (1 - rate))
    y = x * factor
    return y, _times("dropout backward", factor, y)


def reshape(x: Array, shape: tuple[int, ...]) -> tuple[Array, ArrayBackward]:
    """Give every sample of a batch x (N, ...) the new `shape`, without the batch axis, in row-major order.

    Returns y (N, *shape) and `backward(dy) -> dx`, both copies; ValueError if a sample has another number of entries.
    """
    require_float("reshape", x=x)
    entries = math.prod(x.shape[1:])
    if x.ndim < 1 or entries != math.prod(shape):
        what = f"a sample of shape {x.shape[1:]} cannot become {tuple(shape)}"
        raise ValueError(f"reshape: {what}: {entries} entries against {math.prod(shape)}")
    y = x.reshape(x.shape[0], *shape).copy()

    def backward(dy: Array) -> Array:
        require_cotangent("reshape backward", dy, y)
        return dy.reshape(x.shape).copy()

    return y, backward


def flatten(x: Array) -> tuple[Array, ArrayBackward]:
    """Make every sample of a batch (N, ...) a vector: y has shape (N, entries)."""
    require_float("flatten", x=x)
    return reshape(x, (math.prod(x.shape[1:]),))


def _times(where: str, slope: Array, y: Array) -> ArrayBackward:
    """The backward of an activation with value y and derivative `slope`."""

    def backward(dy: Array) -> Array:
        require_cotangent(where, dy, y)
        return dy * slope

    return backward
