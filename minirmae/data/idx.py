"""IDX files, the format of MNIST: a four-byte magic number, the dimensions, the values.

    bytes 0, 1   zero
    byte  2      element type: 08 uint8, 09 int8, 0B int16, 0C int32, 0D float32, 0E float64
    byte  3      number of dimensions d
    4 d bytes    the dimensions, big-endian uint32
    the rest     the values, big-endian, last dimension fastest

Source: the description on the MNIST page, http://yann.lecun.com/exdb/mnist/.
Files may be gzipped; their content tells, not their name. No memory is taken for
what the header announces before the size of the file has confirmed it.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from minirmae.arrays import Array
from minirmae.data.dataset import DataError
from minirmae.files import atomic_write

ELEMENT_TYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype("uint8"),
    0x09: np.dtype("int8"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
"""The dtype that each value of the third byte stands for."""

MAX_BYTES = 4 << 30
"""The largest array that a reader agrees to make unless told otherwise: 4 GiB."""

GZIP_MAGIC = b"\x1f\x8b"

_DEFLATE_LIMIT = 1032
"""Deflate, the method inside gzip, cannot expand a byte to more bytes than this."""

_MAX_DIMENSIONS = 32


@contextmanager
def open_decompressed(path: str | os.PathLike[str]) -> Iterator[tuple[IO[bytes], bool]]:
    """Open `path` for reading; yields the stream of its content, decompressed if gzipped, and whether it was.

    Raises OSError if the file cannot be opened, and within the block
    `DataError` in place of whatever a corrupt or truncated gzip stream raises.
    """
    import gzip
    import zlib

    with open(path, "rb") as file:
        if file.peek(2)[:2] != GZIP_MAGIC:
            yield file, False
            return
        try:
            with gzip.GzipFile(fileobj=file) as stream:
                yield cast(IO[bytes], stream), True
        except EOFError as error:
            raise DataError(f"{path}: the gzip stream ends early; the file is truncated, fetch it again") from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{path}: the gzip stream is corrupt ({error}); fetch the file again") from error


def read_idx(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> Array:
    """Read the IDX file at `path`, plain or gzipped, as an array in native byte order.

    At most `max_bytes` of values are read; a file that announces more is refused.

    Raises `DataError` (a ValueError) if the file is empty, not IDX, truncated,
    longer than its header says, too large or a corrupt gzip stream; OSError if
    it cannot be read.
    """
    with open_decompressed(path) as (stream, gzipped):
        dtype, shape = _read_header(path, stream)
        announced = math.prod(shape) * dtype.itemsize
        # An empty dimension must not hide absurd ones.
        if math.prod(max(n, 1) for n in shape) * dtype.itemsize > max_bytes:
            raise DataError(
                f"{path}: the header announces an array {_spelled(shape)} of {dtype.name}, more than the limit of "
                f"{max_bytes} bytes; if the file is genuine, pass a larger max_bytes"
            )
        file_size = os.stat(path).st_size
        possible = file_size * _DEFLATE_LIMIT if gzipped else file_size - stream.tell()
        if announced > possible:
            raise DataError(
                f"{path}: the header announces {announced} bytes of values, but the file "
                f"{'can hold at most' if gzipped else 'holds'} {possible}; it is truncated or corrupt, fetch it again"
            )
        values = np.empty(shape, dtype=dtype)
        received = _fill(stream, values)
        if received < announced:
            raise DataError(
                f"{path}: the header announces {announced} bytes of values, the file holds {received}; "
                "it is truncated, fetch it again"
            )
        # Reading past the last value also makes gzip compare its checksum.
        if stream.read(1):
            raise DataError(
                f"{path}: the file goes on after the {announced} bytes of values that its header announces; "
                "the header or the file is corrupt, fetch it again"
            )
    return values.astype(dtype.newbyteorder("="), copy=False)


def write_idx(path: str | os.PathLike[str], array: Array) -> None:
    """Write `array` to `path` as an IDX file, atomically; gzipped if the name ends in ".gz".

    Raises TypeError if IDX has no element type for the array's dtype,
    ValueError if it has no axis or one of 2**32 or longer.
    """
    import gzip

    codes = {dtype.newbyteorder("="): code for code, dtype in ELEMENT_TYPES.items()}
    code = codes.get(array.dtype.newbyteorder("="))
    if code is None:
        names = ", ".join(dtype.name for dtype in ELEMENT_TYPES.values())
        raise TypeError(f"write_idx: the array must be one of {names}, got {array.dtype}; convert it with .astype")
    if not 1 <= array.ndim <= _MAX_DIMENSIONS or max(array.shape) >= 1 << 32:
        raise ValueError(f"write_idx: the array must have 1 to {_MAX_DIMENSIONS} axes, got shape {array.shape}")
    header = struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)
    content = header + array.astype(ELEMENT_TYPES[code], copy=False).tobytes()
    if Path(path).suffix == ".gz":
        content = gzip.compress(content, mtime=0)
    with atomic_write(path) as file:
        file.write(content)


def _read_header(path: str | os.PathLike[str], stream: IO[bytes]) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Read the magic number and the dimensions."""
    magic = stream.read(4)
    if not magic:
        raise DataError(f"{path}: the file is empty; an IDX file was expected, fetch it again")
    known = len(magic) == 4 and magic[:2] == b"\0\0" and magic[2] in ELEMENT_TYPES
    if not known or not 1 <= magic[3] <= _MAX_DIMENSIONS:
        raise DataError(
            f"{path}: not an IDX file: expected the bytes 00 00, an element type of "
            f"{', '.join(f'{code:02X}' for code in ELEMENT_TYPES)}, and 1 to {_MAX_DIMENSIONS} dimensions; "
            f"it starts with {magic.hex(' ').upper()}"
        )
    dimensions = stream.read(4 * magic[3])
    if len(dimensions) < 4 * magic[3]:
        raise DataError(f"{path}: the file ends within its header; it is truncated, fetch it again")
    return ELEMENT_TYPES[magic[2]], struct.unpack(f">{magic[3]}I", dimensions)


def _fill(stream: IO[bytes], values: Array) -> int:
    """Read the bytes of `values` from `stream`; return how many there were."""
    target: Array = values.reshape(-1).view(np.uint8)
    received = 0
    while received < len(target):
        chunk = stream.read(min(len(target) - received, 1 << 20))
        if not chunk:
            break
        target[received : received + len(chunk)] = np.frombuffer(chunk, dtype=np.uint8)
        received += len(chunk)
    return received


def _spelled(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
