"""Dropout, with its randomness as an argument."""

from __future__ import annotations

from minirmae.arrays import Array, require_one_device
from minirmae.ops.activations import ArrayBackward
from minirmae.validation import cotangent_check, require_float, require_shape


def dropout(x: Array, keep: Array, rate: float) -> tuple[Array, ArrayBackward]:
    """Inverted dropout `y = x keep / (1 - rate)` (Srivastava et al. 2014, section 10).

    The mask is an argument, so the op is a function: it can be repeated and
    its gradient checked. The scale keeps the expectation of `y` at `x`.

    Args:
        x: any shape.
        keep: boolean, same shape; True with probability `1 - rate` where it was drawn.
        rate: the probability of dropping, in [0, 1).

    Returns:
        y, shape of x, and `backward(dy) -> dx`.

    Raises:
        TypeError: `x` is not floating or `keep` not boolean.
        ValueError: shapes differ, or `rate` is outside [0, 1).
    """
    require_float("dropout", x=x)
    require_shape("dropout", "keep", keep, x.shape)
    if keep.dtype != bool:
        raise TypeError(f"dropout: keep must be boolean, got {keep.dtype}")
    require_one_device("dropout", x=x, keep=keep)
    if not 0 <= rate < 1:
        raise ValueError(f"dropout: rate must be in [0, 1), got {rate!r}")
    scale = float(1 / (1 - rate))
    y = x * keep * scale
    check = cotangent_check("dropout backward", y)

    def backward(dy: Array) -> Array:
        check(dy)
        return dy * keep * scale

    return y, backward
