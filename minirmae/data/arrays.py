"""Images from .npy and .npz files, which NumPy itself writes.

Pickled objects are never loaded, since they can run code. A large .npy file
stays on the disk and is mapped into memory: only the images of a batch are
read.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from minirmae.arrays import Array
from minirmae.data.dataset import ArrayDataset, DataError, Dataset, Subset
from minirmae.data.idx import MAX_BYTES
from minirmae.data.splits import EVALUATION_FRACTION, SPLITS, split_indices
from minirmae.validation import require_choice

NPY_MAGIC = b"\x93NUMPY"
NPZ_MAGIC = b"PK\x03\x04"

MAP_FROM_BYTES = 256 << 20
"""A .npy file of at least this size (256 MiB) is mapped rather than loaded."""

_SPLIT_KEYS = {"train": ("x_train", "y_train"), "evaluation": ("x_test", "y_test")}


def array_file(
    path: str | os.PathLike[str],
    split: str = "train",
    *,
    evaluation_fraction: float = EVALUATION_FRACTION,
    max_bytes: int = MAX_BYTES,
) -> Dataset:
    """Open the .npy or .npz file at `path`.

    A .npy file holds the images. A .npz file holds `images` and optionally
    `labels`, or one array of any name, or both splits as `x_train`, `y_train`,
    `x_test`, `y_test`. Where the file does not say which images are for
    evaluation, `split_indices` holds back `evaluation_fraction` of them.
    `max_bytes` bounds what a .npz file may unpack to.

    Raises `DataError` if the file is damaged, holds pickled objects or not the
    expected arrays; the errors of `ArrayDataset` if they are no images.
    """
    require_choice("array_file", "split", split, SPLITS)
    with open(path, "rb") as file:
        magic = file.read(len(NPY_MAGIC))
    name = f"{Path(path).stem}/{split}"
    if magic == NPY_MAGIC:
        images, labels = _read_npy(path), None
    elif magic.startswith(NPZ_MAGIC):
        arrays = _read_npz(path, max_bytes)
        if any(images_key in arrays for images_key, _ in _SPLIT_KEYS.values()):
            images_key, labels_key = _SPLIT_KEYS[split]
            if images_key not in arrays:
                raise DataError(f"{path}: no {split} images: expected an array {images_key}, found {', '.join(arrays)}")
            return ArrayDataset(arrays[images_key], arrays.get(labels_key), name)
        images, labels = _chosen(path, arrays)
    else:
        raise DataError(f"{path}: not a .npy or .npz file; save images with numpy.save(path, images)")
    dataset = ArrayDataset(images, labels, name)
    return Subset(dataset, split_indices(str(path), len(dataset), split, evaluation_fraction))


def _read_npy(path: str | os.PathLike[str]) -> Array:
    """Load or map one array."""
    try:
        # A map is refused if the file is shorter than its header says, before any memory is taken.
        mapped: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, SyntaxError) as error:
        raise DataError(_unreadable(path, error)) from error
    return mapped if mapped.nbytes >= MAP_FROM_BYTES else np.array(mapped)


def _read_npz(path: str | os.PathLike[str], max_bytes: int) -> dict[str, Array]:
    """Load every array of an archive."""
    import zipfile
    import zlib

    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > max_bytes:
            raise DataError(
                f"{path}: unpacks to {unpacked} bytes, more than the limit of {max_bytes}; "
                "save the images as a .npy file, which is mapped, or pass a larger max_bytes"
            )
        with np.load(path, allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}
    except DataError:
        raise
    except (ValueError, EOFError, SyntaxError, MemoryError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(_unreadable(path, error)) from error


def _chosen(path: str | os.PathLike[str], arrays: dict[str, Array]) -> tuple[Array, Array | None]:
    """Pick images and labels from the arrays of an archive."""
    if "images" in arrays:
        return arrays["images"], arrays.get("labels")
    if len(arrays) == 1:
        return next(iter(arrays.values())), None
    raise DataError(
        f"{path}: expected an array named images (and optionally labels), or a single array; "
        f"found {', '.join(arrays) or 'none'}; save with numpy.savez(path, images=..., labels=...)"
    )


def _unreadable(path: str | os.PathLike[str], error: BaseException) -> str:
    return (
        f"{path}: cannot be read as arrays of numbers ({error}); save them with numpy.save or numpy.savez. "
        "Files with pickled objects are refused because loading one can run any code"
    )
