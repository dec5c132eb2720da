"""Checks that turn bad input into an error: the place, what was expected, what was got, what to do."""

import math
import operator
from typing import Any

from minirmae.arrays import Array, DeviceError, device_of


def require_float(where: str, **arrays: Any) -> None:
    """Raise TypeError unless all arrays but None hold floats of one dtype, DeviceError unless on one device."""
    first, like = next(iter(arrays.items()))
    for name, array in arrays.items():
        if array is None:
            continue
        if not hasattr(array, "dtype"):
            raise TypeError(f"{where}: {name} must be an array, got {type(array).__name__}; wrap it with numpy.asarray")
        if array.dtype.kind not in "fc":
            what = f"{name} must hold floats, got {array.dtype}"
            raise TypeError(f"{where}: {what}; convert it first (images: x.astype(numpy.float32) / 255)")
        if array.dtype != like.dtype:
            what = f"{first} is {like.dtype} and {name} is {array.dtype}"
            raise TypeError(f"{where}: all arrays must share one dtype, but {what}; convert one with .astype")
        if device_of(array) != device_of(like):
            require_one_device(where, **{first: like, name: array})


def require_one_device(where: str, **arrays: Any) -> None:
    """Raise DeviceError unless all arrays are on one device."""
    devices = {name: device_of(array) for name, array in arrays.items()}
    first, device = next(iter(devices.items()))
    for name, other in devices.items():
        if other != device:
            what = f"{where}: arrays on two devices: {first} is on {device} and {name} on {other}"
            advice = f"minirmae.arrays.asarray({first}, {other!r}), or a model with model.to({device!r})"
            raise DeviceError(f"{what}; bring one over with {advice}")


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


def require_choice(where: str, name: str, value: Any, choices: Any) -> None:
    """Raise ValueError unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{where}: {name} must be one of {', '.join(map(str, choices))}; got {value!r}")


def require_int(where: str, name: str, value: Any, minimum: int) -> int:
    """Return `value`, an integer of Python or NumPy, as an int; ValueError if it is none or below `minimum`."""
    number = None if isinstance(value, bool) or not hasattr(value, "__index__") else operator.index(value)
    if number is None or number < minimum:
        raise ValueError(f"{where}: {name} must be an integer of at least {minimum}, got {value!r}")
    return number


def require_positive_int(where: str, **numbers: Any) -> None:
    """Raise ValueError unless every number is an integer of at least 1."""
    for name, value in numbers.items():
        require_int(where, name, value, 1)


def require_range(where: str, name: str, value: float, low: float, high: float = math.inf) -> None:
    """Raise ValueError unless `low <= value < high`."""
    if not low <= value < high:
        raise ValueError(f"{where}: {name} must be in [{low}, {high}), got {value!r}")
