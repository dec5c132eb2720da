"""Named plain arrays in one .npz file, and nothing that could run code.

`numpy.load` opens what `write_arrays` writes. `read_arrays` adds what a file
from elsewhere needs: every way in which it can be wrong has a message, and
every byte has been compared with its checksum.
"""

from __future__ import annotations

import errno
import os
import zipfile
import zlib
from collections.abc import Mapping

import numpy as np

from minirmae.arrays import Array
from minirmae.files import atomic_write

# What zipfile and NumPy raise on one damaged file or another; an entry marked as encrypted is a RuntimeError.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, MemoryError, ValueError)


class CheckpointError(ValueError):
    """A checkpoint that cannot be used, or must not be written; the message says why."""


def write_arrays(path: str | os.PathLike[str], arrays: Mapping[str, Array]) -> None:
    """Write `arrays` by name to the .npz file `path`, which appears whole or not at all.

    The same arrays give the same bytes. Raises OSError if the file cannot be
    written, ValueError for an array of objects.
    """
    with atomic_write(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def read_arrays(path: str | os.PathLike[str]) -> dict[str, Array]:
    """Return the arrays in the .npz file at `path`, by name.

    Raises:
        CheckpointError: the file is no .npz file, truncated, damaged, compressed
            (so it is bounded by its size) or holds pickled objects.
        OSError: there is no such file, or it cannot be read.
    """
    with open(path, "rb") as file:
        magic = file.read(2)
    if magic != b"PK":
        came = "another kind of file" if magic else "an empty file"
        raise CheckpointError(f"{path}: not a checkpoint: expected a .npz file, got {came}")
    try:
        with zipfile.ZipFile(path) as archive:
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                raise CheckpointError(f"{path}: not a checkpoint of minirmae: it is compressed")
        with np.load(path, allow_pickle=False) as stored:
            arrays = dict(stored)
    except CheckpointError:
        raise
    except (*_DAMAGE, OSError) as error:
        # A damaged directory can ask for a seek to before the beginning; other OSErrors are the disk's.
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        if "allow_pickle" in str(error):
            raise CheckpointError(
                f"{path}: holds pickled objects, which can run code and are never loaded; "
                "a checkpoint of minirmae holds plain arrays only"
            ) from error
        raise CheckpointError(f"{path}: truncated or damaged ({error}); use a copy of it or start again") from error
    if not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise CheckpointError(f"{path}: not a checkpoint of minirmae: it holds other things than arrays")
    return arrays
