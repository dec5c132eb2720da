"""Which library an array belongs to, and where it is; the only way from one device to another is `asarray`.

NumPy on the CPU ("cpu") is the reference; CuPy puts the same functions on an NVIDIA GPU ("cuda", "cuda:1"). Code that
works on both calls the library of its arrays `xp`. All that concerns other devices than the CPU is in `devices.py`.
"""

from importlib import import_module
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]  # of any library; annotated as NumPy's, whose interface the others share

KINDS = {"cupy": "cuda"}  # top package of an array type to the kind of its devices; `devices.register` adds to it


class DeviceError(ValueError):
    """A device that cannot be used, or arrays on two of them; the message says what was found and what to do."""


def array_module(x: Any) -> Any:
    """Return the module (`numpy`, `cupy`) whose functions accept `x`; NumPy's if `x` is no array."""
    kind = _kind(x)
    return np if kind == "cpu" else _library(kind).module()


def device_of(x: Any) -> str:
    """Return the name of the device that the array `x` is on, such as "cpu" or "cuda:0"."""
    kind = _kind(x)
    return kind if kind == "cpu" else f"{kind}:{_library(kind).number(x)}"


def asarray(x: Any, device: str = "cpu") -> Array:
    """Return `x`, an array or what `numpy.asarray` takes, on `device`; DeviceError if that cannot be used."""
    if device == "cpu":
        return asnumpy(x)
    return import_module("minirmae.devices").upload(x, device)


def asnumpy(x: Any) -> Array:
    """Return `x` as a NumPy array, itself if it is one; from a GPU this waits until `x` has been computed."""
    kind = _kind(x)
    return np.asarray(x) if kind == "cpu" else _library(kind).asnumpy(x)


def _kind(x: Any) -> str:
    return "cpu" if isinstance(x, np.ndarray) else KINDS.get(type(x).__module__.partition(".")[0], "cpu")


def _library(kind: str) -> Any:
    return import_module("minirmae.devices").library(kind)
