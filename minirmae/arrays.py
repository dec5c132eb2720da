"""The one door to the array libraries, and to the devices behind them.

NumPy on the processor ("cpu") is the reference. CuPy puts the same functions
on an NVIDIA card ("cuda", "cuda:1"); it is imported when a device is asked
for, and asked whether a card is there before anything is put on it: importing
it succeeds on a machine without a driver. Code that works on any array asks
`array_module` for the library that the array belongs to, and calls it `xp`.

Nothing moves by itself. Arrays on two devices are an error, and the two
functions that copy between devices are `asarray` and `asnumpy`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
"""An array of any library; annotated as NumPy's, whose interface the others share."""


class DeviceError(ValueError):
    """A device that cannot be used, or arrays on two of them; the message says what was found and what to do."""


@dataclass(frozen=True)
class Library:
    """An array library and how to reach its devices, which have numbers.

    Attributes:
        package: top package of its array type, by which its arrays are known.
        module: returns the module of functions that take its arrays.
        require: raises DeviceError unless the device of that number can be used.
        asarray: copies a NumPy array to the device of that number.
        asnumpy: copies an array back.
        number: of the device that an array is on.
        using: makes the device of that number the current one inside the block.
        wait: returns once the current device has done all that it was asked to do.
    """

    package: str
    module: Callable[[], Any]
    require: Callable[[int], None]
    asarray: Callable[[Array, int], Any]
    asnumpy: Callable[[Any], Array]
    number: Callable[[Any], int]
    using: Callable[[int], AbstractContextManager[Any]] = lambda number: nullcontext()
    wait: Callable[[], None] = lambda: None


def register(kind: str, library: Library) -> None:
    """Let `kind` and `kind:N` name devices of `library`; "cpu" and "cuda" are there already."""
    _KINDS[kind] = library
    _PACKAGES[library.package] = kind


def array_module(x: Any) -> Any:
    """Return the module (`numpy`, `cupy`) whose functions accept `x`; NumPy's if `x` is no array.

    >>> array_module(np.zeros(3)) is np
    True
    """
    kind = _kind(x)
    return np if kind is None else _KINDS[kind].module()


def device_of(x: Any) -> str:
    """Return the name of the device that the array `x` is on, such as "cpu" or "cuda:0".

    >>> device_of(np.zeros(3))
    'cpu'
    """
    kind = _kind(x)
    return "cpu" if kind is None else f"{kind}:{_KINDS[kind].number(x)}"


def require_device(device: str) -> str:
    """Return the full name of `device`: "cpu", or "cuda:0" for "cuda".

    Raises DeviceError if there is no such device, or it cannot be used.

    >>> require_device("gpu")
    Traceback (most recent call last):
    ...
    minirmae.arrays.DeviceError: device must be cpu, cuda or cuda:N; got 'gpu'
    """
    kind, number = _parse(device)
    if kind == "cpu":
        return kind
    _KINDS[kind].require(number)
    return f"{kind}:{number}"


def asarray(x: Any, device: str = "cpu") -> Array:
    """Return `x`, an array of any library or anything that `numpy.asarray` takes, on `device`.

    What is there already is returned as it is, anything else as a copy.

    Raises DeviceError if there is no such device, or it cannot be used.
    """
    name = require_device(device)
    if device_of(x) == name:
        return np.asarray(x) if name == "cpu" else x
    host = asnumpy(x)
    if name == "cpu":
        return host
    kind, number = _parse(name)
    uploaded: Array = _KINDS[kind].asarray(host, number)
    return uploaded


def asnumpy(x: Any) -> Array:
    """Return `x` as a NumPy array, itself if it is one; from a card this waits until `x` has been computed."""
    kind = _kind(x)
    return np.asarray(x) if kind is None else _KINDS[kind].asnumpy(x)


def wait_for(device: str) -> None:
    """Return once `device` has done all that it was asked to do; a card works on while Python goes ahead."""
    kind, _ = _parse(device)
    if kind != "cpu":
        _KINDS[kind].wait()


@contextmanager
def using(device: str) -> Iterator[str]:
    """Work on `device` inside the block, which is given its full name; needed for every card but the first.

    Raises DeviceError if there is no such device, or if a card's memory does not suffice.
    """
    name = require_device(device)
    kind, number = _parse(name)
    with nullcontext() if kind == "cpu" else _KINDS[kind].using(number):
        try:
            yield name
        except MemoryError as error:
            if kind == "cpu":
                raise
            raise DeviceError(f"{name}: the device's memory does not suffice ({error}); use a smaller batch") from error


def require_one_device(where: str, **arrays: Any) -> None:
    """Raise DeviceError unless all arrays are on one device."""
    devices = {name: device_of(array) for name, array in arrays.items()}
    first = next(iter(devices))
    for name, device in devices.items():
        if device != devices[first]:
            raise DeviceError(
                f"{where}: arrays on two devices: {first} is on {devices[first]} and {name} on {device}; "
                f"bring one over with minirmae.arrays.asarray({first}, {device!r}), "
                f"or a model with model.to({devices[first]!r})"
            )


def _kind(x: Any) -> str | None:
    """The kind of device that `x` is on; None for NumPy's, and for what is no array."""
    return None if isinstance(x, np.ndarray) else _PACKAGES.get(type(x).__module__.partition(".")[0])


def _parse(device: str) -> tuple[str, int]:
    """Kind and number of a device; ValueError for what is no name of one."""
    match = re.fullmatch(r"(.+?)(?::([0-9]+))?", device) if isinstance(device, str) else None
    if device != "cpu" and (match is None or match[1] not in _KINDS):
        raise DeviceError(f"device must be cpu, cuda or cuda:N; got {device!r}")
    return ("cpu", 0) if match is None or device == "cpu" else (match[1], int(match[2] or 0))


def _cupy() -> Any:
    try:
        import cupy
    except ModuleNotFoundError as error:
        raise DeviceError(
            "device cuda needs CuPy, which is not installed: pip install 'minirmae[cuda12]' with a driver for CUDA 12, "
            "pip install 'minirmae[cuda13]' with one for CUDA 13; or use the device cpu"
        ) from error
    except ImportError as error:
        raise DeviceError(f"device cuda needs CuPy, which is installed but cannot be imported: {error}") from error
    return cupy


@cache
def _require_card(number: int) -> None:
    """Raise DeviceError unless CuPy can use the card; success is remembered."""
    cupy = _cupy()
    runtime = cupy.cuda.runtime
    try:
        driver = runtime.driverGetVersion()
        cards = runtime.getDeviceCount() if cupy.cuda.is_available() else 0
    except RuntimeError as error:
        raise DeviceError(f"device cuda: CuPy {cupy.__version__} cannot use the driver: {error}") from error
    if cards == 0:
        found = f"a driver for CUDA {_version(driver)}, but no card that it can use" if driver else "no NVIDIA driver"
        raise DeviceError(
            f"device cuda: CuPy {cupy.__version__}, for CUDA {_version(runtime.runtimeGetVersion())}, found {found}; "
            "see what nvidia-smi says, or use the device cpu"
        )
    if number >= cards:
        raise DeviceError(f"device cuda:{number}: there are {cards} cards, cuda:0 to cuda:{cards - 1}")


def _version(number: int) -> str:
    """12.9 for 12090."""
    return f"{number // 1000}.{number % 1000 // 10}"


def _upload(x: Array, number: int) -> Any:
    cupy = _cupy()
    if cupy.cuda.Device().id != number:
        # CuPy computes on the current card, and reaches arrays on others slowly or not at all.
        raise DeviceError(f"cuda:{number} is not the current card; work inside: with arrays.using('cuda:{number}')")
    return cupy.asarray(x)


_KINDS = {
    "cuda": Library(
        package="cupy",
        module=_cupy,
        require=_require_card,
        asarray=_upload,
        asnumpy=lambda x: _cupy().asnumpy(x),
        number=lambda x: int(x.device.id),
        using=lambda number: _cupy().cuda.Device(number),
        wait=lambda: _cupy().cuda.get_current_stream().synchronize(),
    )
}
_PACKAGES = {"cupy": "cuda"}
"""Top package of an array type to the kind of its devices."""
