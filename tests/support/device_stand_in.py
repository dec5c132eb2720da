"""A strict device array, for tests on machines without a card.

It computes with NumPy, but behaves as a card's array at its most inconvenient:
it is no `numpy.ndarray`, refuses to become one or a Python number unasked,
refuses boolean masks and host arrays beside its own, offers only functions
that CuPy offers, fills `empty` with NaN, and counts explicit copies. Code that
runs on it neither waits for a device nor mixes devices.

`stand-in`, `stand-in:1` name its devices once this module is imported.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from minirmae.arrays import DeviceError
from minirmae.devices import Library, register

DEVICES = 2
DTYPES = tuple(map(np.dtype, ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16")))


class Refused(TypeError):
    """Something that would copy behind the user's back, or that CuPy does not do."""


@dataclass
class Transfers:
    """Explicit copies so far, to and from the device."""

    up: int = 0
    down: int = 0


transfers = Transfers()
_current = 0


def transferred() -> int:
    """Number of copies so far, either way."""
    return transfers.up + transfers.down


class DeviceArray:
    """An array that only its own module can read."""

    __array_ufunc__ = None  # NumPy's operators step back, and its functions refuse

    def __init__(self, host: Any, number: int) -> None:
        self._host = np.asarray(host)
        self.number = number
        if self._host.dtype not in DTYPES:
            raise Refused(f"the device has no {self._host.dtype}")

    shape = property(lambda self: self._host.shape)
    dtype = property(lambda self: self._host.dtype)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    nbytes = property(lambda self: self._host.nbytes)
    strides = property(lambda self: self._host.strides)
    flags = property(lambda self: self._host.flags)
    T = property(lambda self: DeviceArray(self._host.T, self.number))
    real = property(lambda self: DeviceArray(self._host.real, self.number))
    imag = property(lambda self: DeviceArray(self._host.imag, self.number))

    def __len__(self) -> int:
        return len(self._host)

    def __iter__(self) -> Iterator[DeviceArray]:
        if self.ndim < 2:
            raise Refused("iteration over single entries: each would be waited for; use asnumpy")
        return (self[i] for i in range(len(self)))  # rows are views, as CuPy's are

    def __repr__(self) -> str:
        return f"DeviceArray(shape={self.shape}, dtype={self.dtype}, number={self.number})"

    def item(self) -> Any:
        transfers.down += 1
        return self._host.item()

    def fill(self, value: Any) -> None:
        self[...] = value

    def __getitem__(self, key: Any) -> DeviceArray:
        return DeviceArray(self._host[self._index(key)], self.number)

    def __setitem__(self, key: Any, value: Any) -> None:
        host, _ = _unwrapped(value, [self.number])
        self._host[self._index(key)] = host

    def _index(self, key: Any) -> Any:
        for part in key if isinstance(key, tuple) else (key,):
            if isinstance(part, DeviceArray) and part.dtype == bool:
                raise Refused("a boolean mask: its number of entries is not known without waiting")
            if not (part is None or part is Ellipsis or isinstance(part, (int, np.integer, slice, DeviceArray))):
                raise Refused(f"an index of type {type(part).__name__}, which would be copied to the device")
        return _unwrapped(key, [self.number])[0]


def _refusal(name: str) -> Any:
    def refuse(self: DeviceArray, *args: Any, **kwargs: Any) -> Any:
        raise Refused(f"{name} on a device array: it would copy, and wait, unasked; use asnumpy or item")

    return refuse


for _name in ("array", "float", "int", "bool", "complex", "index", "contains"):
    setattr(DeviceArray, f"__{_name}__", _refusal(_name))


def _unwrapped(value: Any, numbers: list[int]) -> tuple[Any, list[int]]:
    """`value` with host arrays in place of device arrays, and on which devices those were."""
    if isinstance(value, DeviceArray):
        numbers = [*numbers, value.number]
        value = value._host
    elif isinstance(value, np.ndarray):
        raise Refused("a NumPy array beside device arrays; upload it first")
    elif isinstance(value, (list, tuple)):
        parts = []
        for part in value:
            host, numbers = _unwrapped(part, numbers)
            parts.append(host)
        value = type(value)(parts) if type(value) in (list, tuple) else value
    if len(set(numbers)) > 1:
        raise Refused(f"arrays on devices {sorted(set(numbers))}")
    return value, numbers


def _wrapped(value: Any, number: int) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return DeviceArray(value, number)
    if isinstance(value, (list, tuple)):
        parts = [_wrapped(part, number) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value


def _device_function(function: Any, refused: tuple[str, ...] = ("where", "initial", "subok")) -> Any:
    """`function` of NumPy as a function of device arrays."""

    def on_device(*args: Any, **kwargs: Any) -> Any:
        for name in refused:
            if name in kwargs:
                raise Refused(f"{function.__name__} takes no {name}= on the device")
        arguments, numbers = _unwrapped(args, [])
        options = {}
        for name, value in kwargs.items():
            options[name], numbers = _unwrapped(value, numbers)
        out = kwargs.get("out")
        result = function(*arguments, **options)
        return result if result is None else out if out is not None else _wrapped(result, [*numbers, _current][0])

    return on_device


_METHODS = (
    "all any argmax argmin argsort astype clip conj copy cumsum diagonal dot max mean min prod ravel repeat reshape "
    "round squeeze std sum swapaxes trace transpose var"
)
METHODS = _METHODS.split()
_UNARY = "neg pos abs invert"
_BINARY = "add sub mul truediv floordiv mod pow matmul and or xor"
_COMPARISONS = "lt le eq ne gt ge"

for _name in METHODS:
    setattr(DeviceArray, _name, _device_function(getattr(np.ndarray, _name)))
for _name in (*_UNARY.split(), *_BINARY.split(), *(f"r{name}" for name in _BINARY.split()), *_COMPARISONS.split()):
    setattr(DeviceArray, f"__{_name}__", _device_function(getattr(np.ndarray, f"__{_name}__")))


def _in_place(name: str) -> Any:
    update = getattr(np.ndarray, f"__{name}__")

    def on_device(self: DeviceArray, other: Any) -> DeviceArray:
        update(self._host, _unwrapped(other, [self.number])[0])
        return self

    return on_device


for _name in (f"i{name}" for name in _BINARY.split() if name != "matmul"):
    setattr(DeviceArray, f"__{_name}__", _in_place(_name))


def _poisoned(host: np.ndarray) -> np.ndarray:
    """Memory that nobody has written yet."""
    host[...] = np.nan if host.dtype.kind in "fc" else True if host.dtype == bool else np.iinfo(host.dtype).max
    return host


def _empty(shape: Any, dtype: Any = float) -> DeviceArray:
    return DeviceArray(_poisoned(np.empty(shape, dtype)), _current)


def _empty_like(like: DeviceArray, dtype: Any = None) -> DeviceArray:
    return DeviceArray(_poisoned(np.empty_like(like._host, dtype)), like.number)


def upload(host: Any, number: int = 0) -> DeviceArray:
    """Copy a NumPy array to the device."""
    transfers.up += 1
    return DeviceArray(np.array(host), number)


def download(array: DeviceArray) -> np.ndarray:
    """Copy a device array back."""
    transfers.down += 1
    return array._host.copy()


def _asarray(value: Any, dtype: Any = None) -> DeviceArray:
    """As `cupy.asarray`: an upload, unless the value is a device array."""
    if isinstance(value, DeviceArray):
        return value if dtype in (None, value.dtype) else value.astype(dtype)
    return upload(np.asarray(value, dtype), _current)


def _array(value: Any, dtype: Any = None) -> DeviceArray:
    return value.astype(dtype or value.dtype) if isinstance(value, DeviceArray) else upload(value, _current)


_FUNCTIONS = (
    "abs absolute add all any append arange arccos arcsin arctan arctanh argmax argmin argsort argwhere array_equal "
    "atleast_1d atleast_2d broadcast_arrays broadcast_to ceil clip concatenate conj copy cos cosh cumsum diag diagonal "
    "diff divide dot einsum equal exp expand_dims expm1 eye flatnonzero flip floor full full_like greater hypot "
    "identity isfinite isnan less linspace log log1p log2 logaddexp logical_and logical_not logical_or matmul max "
    "maximum mean median meshgrid min minimum moveaxis multiply nanmax nanmin negative ones ones_like outer pad "
    "power prod ravel repeat reshape rint roll round sign sin sinh sort sqrt square squeeze stack std subtract sum "
    "swapaxes take take_along_axis tan tanh tensordot tile trace transpose tril triu true_divide unique var vstack "
    "where zeros zeros_like"
)
_LINALG = "cholesky det eigh eigvalsh inv lstsq matrix_rank norm pinv qr slogdet solve svd"
_CONSTANTS = "bool_ complex64 complex128 e float32 float64 inf int32 int64 intp nan newaxis pi uint8"
LINALG = _LINALG.split()

xp: Any = SimpleNamespace(
    **{name: _device_function(getattr(np, name)) for name in _FUNCTIONS.split()},
    **{name: getattr(np, name) for name in _CONSTANTS.split()},
    empty=_empty,
    empty_like=_empty_like,
    asarray=_asarray,
    array=_array,
    ascontiguousarray=_device_function(np.ascontiguousarray),
    ndarray=DeviceArray,
    finfo=np.finfo,
    dtype=np.dtype,
    linalg=SimpleNamespace(**{name: _device_function(getattr(np.linalg, name)) for name in LINALG}),
    lib=SimpleNamespace(
        stride_tricks=SimpleNamespace(
            as_strided=_device_function(np.lib.stride_tricks.as_strided, refused=("subok", "writeable"))
        )
    ),
)


def _require(number: int) -> None:
    if number >= DEVICES:
        raise DeviceError(f"device stand-in:{number}: there are {DEVICES}")


@contextmanager
def _using(number: int) -> Iterator[None]:
    global _current
    before, _current = _current, number
    try:
        yield
    finally:
        _current = before


register(
    "stand-in",
    Library(
        package=__name__,
        module=lambda: xp,
        require=_require,
        asarray=upload,
        asnumpy=download,
        number=lambda array: int(array.number),
        using=_using,
    ),
)
