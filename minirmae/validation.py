"""Checks that turn bad input into an error a reader can act on.

Every message names the place, what was expected and what was got. The checks
cost a few comparisons, so ops call them on every forward and every backward.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minirmae.arrays import Array, array_module, require_one_device


def require_float(where: str, **arrays: Array) -> None:
    """Raise TypeError unless every array is floating or complex and all share one dtype.

    Raises DeviceError (a ValueError) unless all are on one device.
    """
    dtype = None
    for array in arrays.values():
        if type(array) is not np.ndarray:
            break
        if array.dtype is not dtype:
            if dtype is not None or array.dtype.kind not in "fc":
                break
            dtype = array.dtype
    else:
        return  # NumPy's arrays as they should be, which is nearly always

    first_name, first = next(iter(arrays.items()))
    for name, array in arrays.items():
        if not hasattr(array, "dtype"):
            raise TypeError(f"{where}: {name} must be an array, got {type(array).__name__}; wrap it with numpy.asarray")
        if array.dtype.kind not in "fc":
            raise TypeError(
                f"{where}: {name} must hold floats, got {array.dtype}; "
                "convert it first (images: x.astype(numpy.float32) / 255)"
            )
        if array.dtype != first.dtype:
            raise TypeError(
                f"{where}: all arrays must share one dtype, but {first_name} is {first.dtype} "
                f"and {name} is {array.dtype}; convert one with .astype"
            )
        if type(array) is not np.ndarray or type(first) is not np.ndarray:
            require_one_device(where, **{first_name: first, name: array})


def require_ndim(where: str, name: str, array: Array, ndim: int, layout: str) -> None:
    """Raise ValueError unless `array` has `ndim` axes, described to the reader by `layout`."""
    if array.ndim != ndim:
        raise ValueError(f"{where}: {name} must have {ndim} axes {layout}, got shape {array.shape}")


def require_shape(where: str, name: str, array: Array, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless `array` has exactly `shape`."""
    if array.shape != shape:
        raise ValueError(f"{where}: {name} must have shape {shape}, got {array.shape}")


def require_cotangent(where: str, dy: Array, y: Array) -> None:
    """Raise unless `dy` has the shape and dtype of the value `y` whose gradient it carries."""
    require_float(where, y=y, dy=dy)
    require_shape(where, "dy", dy, y.shape)


def cotangent_check(where: str, y: Array) -> Callable[[Array], None]:
    """Return a function of `dy` that checks as `require_cotangent` does, and does not keep the memory of `y`."""
    shape, alike = y.shape, array_module(y).empty(0, y.dtype)

    def check(dy: Array) -> None:
        require_float(where, y=alike, dy=dy)
        require_shape(where, "dy", dy, shape)

    return check


def require_choice(where: str, name: str, value: Any, choices: Any) -> None:
    """Raise ValueError unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{where}: {name} must be one of {', '.join(map(str, choices))}; got {value!r}")


def require_int(where: str, name: str, value: Any, minimum: int) -> None:
    """Raise ValueError unless `value` is an integer of at least `minimum`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        raise ValueError(f"{where}: {name} must be an integer of at least {minimum}, got {value!r}")


def require_positive_int(where: str, **numbers: Any) -> None:
    """Raise ValueError unless every number is an integer of at least 1."""
    for name, value in numbers.items():
        require_int(where, name, value, 1)
