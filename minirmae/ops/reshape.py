"""The same numbers in another shape."""

from __future__ import annotations

import math

from minirmae.arrays import Array
from minirmae.ops.activations import ArrayBackward
from minirmae.validation import cotangent_check, require_float


def reshape(x: Array, shape: tuple[int, ...], *, copy: bool = True) -> tuple[Array, ArrayBackward]:
    """Give every sample of a batch a new shape, in row-major order.

    Args:
        x: shape (N, ...).
        shape: the new shape of one sample, without the batch axis.
        copy: False if nobody else has x and dy: then the results may share their memory.

    Returns:
        y, shape (N, *shape), and `backward(dy) -> dx`. Both are copies, so
        that no result shares memory with an argument, unless that is allowed.

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
    y = x.reshape(x.shape[0], *shape)
    y = y.copy() if copy else y
    check, shape_of_x = cotangent_check("reshape backward", y), x.shape

    def backward(dy: Array) -> Array:
        check(dy)
        dx = dy.reshape(shape_of_x)
        return dx.copy() if copy else dx

    return y, backward


def flatten(x: Array, *, copy: bool = True) -> tuple[Array, ArrayBackward]:
    """Make every sample of a batch (N, ...) a vector: y has shape (N, entries). `copy` is that of `reshape`.

    Raises TypeError if `x` is not floating.
    """
    require_float("flatten", x=x)
    return reshape(x, (math.prod(x.shape[1:]),), copy=copy)
