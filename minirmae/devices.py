"""Devices other than the CPU: found, described and used. CuPy is imported when one is asked for.

`require_device` says why an NVIDIA GPU can or cannot be used; `using` makes one the current one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any

from minirmae.arrays import KINDS, Array, DeviceError, asnumpy, device_of


@dataclass(frozen=True)
class Library:
    """An array library and how to reach its devices, which have numbers.

    Attributes:
        package: top package of its array type, by which its arrays are known.
        module: returns the module of functions that take its arrays.
        require: raises DeviceError unless the device of that number can be used.
        asarray, asnumpy: copy a NumPy array to the device of that number, and back.
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
    """Let `kind` and `kind:N` name devices of `library`; "cuda" is there already."""
    _LIBRARIES[kind], KINDS[library.package] = library, kind


def library(kind: str) -> Library:
    """Return the library of the devices of that kind."""
    return _LIBRARIES[kind]


def require_device(device: str) -> str:
    """Return the full name of `device`: "cpu", or "cuda:0" for "cuda"; raises DeviceError if it cannot be used.

    >>> require_device("gpu")
    Traceback (most recent call last):
    ...
    minirmae.arrays.DeviceError: device must be cpu, cuda or cuda:N; got 'gpu'
    """
    kind, number = _parse(device)
    if kind == "cpu":
        return kind
    library(kind).require(number)
    return f"{kind}:{number}"


def upload(x: Any, device: str) -> Array:
    """Return `x` on `device`, a copy unless it is there already; see `arrays.asarray`."""
    name = require_device(device)
    if device_of(x) == name:
        return x
    kind, number = _parse(name)
    return library(kind).asarray(asnumpy(x), number)


def wait_for(device: str) -> None:
    """Return once `device` has done all that it was asked to do; a GPU works on while Python goes ahead."""
    kind, _ = _parse(device)
    if kind != "cpu":
        library(kind).wait()


@contextmanager
def using(device: str) -> Iterator[str]:
    """Work on `device` inside the block, which is given its full name; needed for every GPU but the first.

    Raises DeviceError if there is no such device, or if a GPU's memory does not suffice.
    """
    name = require_device(device)
    kind, number = _parse(name)
    with nullcontext() if kind == "cpu" else library(kind).using(number):
        try:
            yield name
        except MemoryError as error:
            if kind == "cpu":
                raise
            raise DeviceError(f"{name}: the device's memory does not suffice ({error}); use a smaller batch") from error


def _parse(device: str) -> tuple[str, int]:
    """Kind and number of a device; DeviceError for what is no name of one."""
    match = re.fullmatch(r"(.+?)(?::([0-9]+))?", device) if isinstance(device, str) else None
    if device != "cpu" and (match is None or match[1] not in _LIBRARIES):
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
    """Raise DeviceError unless CuPy can use the GPU; success is remembered."""
    cupy = _cupy()
    runtime = cupy.cuda.runtime
    try:
        driver = runtime.driverGetVersion()
        # Importing CuPy succeeds on a machine without a driver.
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
        # CuPy computes on the current GPU, and reaches arrays on others slowly or not at all.
        raise DeviceError(f"cuda:{number} is not the current card; work inside: with devices.using('cuda:{number}')")
    return cupy.asarray(x)


_LIBRARIES = {
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
