"""The same numbers in another shape."""

from __future__ import annotations

import math

from minirmae.backend import Array
from minirmae.ops.activations import ArrayBackward
from minirmae.validation import cotangent_check, require_float


def reshape(x: Array, shape: tuple[int, ...]) -> tuple[Array, ArrayBackward]:
    """Give every sample of a batch a new shape, in row-major order.

    Args:
        x: shape (N, ...).
        shape: the new shape of one sample, without the batch axis.

    Returns:
        y, shape (N, *shape), and `backward(dy) -> dx`. Both are copies, so
        that no result shares memory with an argument.

    Raises:
        TypeError: `x` is not floating.
        ValueError: a sample of `x` has another number of entries than `shape`.
    """
    require_float("reshape", x=x)
    if x.ndim < 1 or math.prod(x.shape[1:]) != math.prod(shape):
        raise ValueError(
            f"reshape: a sample of shape {x.shape[1:]} cannot become {tuple(shape)}: "
            f"{math.prod(x.shape[1:])} entries against {math.prod(shape)}"
        )
    y = x.reshape(x.shape[0], *shape).copy()
    check, shape_of_x = cotangent_check("reshape backward", y), x.shape

    def backward(dy: Array) -> Array:
        check(dy)
        return dy.reshape(shape_of_x).copy()

    return y, backward


def flatten(x: Array) -> tuple[Array, ArrayBackward]:
    """Make every sample of a batch (N, ...) a vector: y has shape (N, entries).

    Raises TypeError if `x` is not floating.
    """
    require_float("flatten", x=x)
    return reshape(x, (math.prod(x.shape[1:]),))
