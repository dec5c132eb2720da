"""Dropout, with its randomness as an argument, so that it can be repeated and its gradient checked."""

from collections.abc import Callable

from minirmae.arrays import Array
from minirmae.validation import require_cotangent, require_float, require_one_device, require_range, require_shape


def dropout(x: Array, keep: Array, rate: float) -> tuple[Array, Callable[[Array], Array]]:
    """Inverted dropout `y = x keep / (1 - rate)` (Srivastava et al. 2014, section 10); the scale keeps y's expectation.

    x has any shape, `keep` is boolean of that shape, True with probability 1 - rate where it was drawn, rate in [0, 1).
    Returns y and `backward(dy) -> dx`; raises TypeError or ValueError for other dtypes, shapes or rates.
    """
    require_float("dropout", x=x)
    require_shape("dropout", "keep", keep, x.shape)
    if keep.dtype != bool:
        raise TypeError(f"dropout: keep must be boolean, got {keep.dtype}")
    require_one_device("dropout", x=x, keep=keep)
    require_range("dropout", "rate", rate, 0, 1)
    scale = float(1 / (1 - rate))
    y = x * keep * scale

    def backward(dy: Array) -> Array:
        require_cotangent("dropout backward", dy, y)
        return dy * keep * scale

    return y, backward
