"""The same numbers in another shape."""

import math
from collections.abc import Callable

from minirmae.arrays import Array
from minirmae.validation import require_cotangent, require_float


def reshape(x: Array, shape: tuple[int, ...]) -> tuple[Array, Callable[[Array], Array]]:
    """Give every sample of a batch x (N, ...) the new `shape`, without the batch axis, in row-major order.

    Returns y (N, *shape) and `backward(dy) -> dx`, both copies. Raises TypeError if `x` is not floating, ValueError if
    a sample has another number of entries than `shape`.
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


def flatten(x: Array) -> tuple[Array, Callable[[Array], Array]]:
    """Make every sample of a batch (N, ...) a vector: y has shape (N, entries)."""
    require_float("flatten", x=x)
    return reshape(x, (math.prod(x.shape[1:]),))
