"""What a data set is: anything that has a length and hands out batches of images in [0, 1].

Images are stored in the type they were given in (usually uint8, one byte a
value) and become floats one batch at a time, so that a data set needs no more
memory than its file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from minirmae.arrays import Array

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike

VALUES_PER_CHUNK = 1 << 22
"""How many values a pass over a large array holds as floats at a time."""


class DataError(ValueError):
    """A file, folder or source whose data cannot be used; the message names it and says what to do."""


class Dataset(Protocol):
    """Images for training or evaluation; any object with these five members is one."""

    @property
    def name(self) -> str:
        """A short name for reports, such as "shapes/train"."""
        ...

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of every image."""
        ...

    @property
    def labels(self) -> Array | None:
        """One integer per image, shape (len(self),), or None."""
        ...

    def __len__(self) -> int: ...

    def batch(self, indices: ArrayLike, dtype: DTypeLike = np.float32) -> Array:
        """Return the images at `indices` (n integers) as a new array (n, H, W, C) of `dtype` in [0, 1]."""
        ...


class ArrayDataset:
    """Images held in one array.

    `images` is uint8, (N, H, W, C), read as value / 255 and never copied as a
    whole; or floating, finite and in [0, 1]. An array (N, H, W) is taken as
    grey and gains a channel axis. `labels` holds N integers or is None.

    Raises TypeError for any other dtype, ValueError for a wrong rank, an empty
    array, values that are not finite or leave [0, 1], or labels that do not fit.

    >>> grey = ArrayDataset(np.full((3, 8, 8), 51, dtype=np.uint8), labels=[4, 2, 4])
    >>> len(grey), grey.shape, grey.batch([2])[0, 0, 0]
    (3, (8, 8, 1), array([0.2], dtype=float32))
    """

    def __init__(self, images: ArrayLike, labels: ArrayLike | None = None, name: str = "array") -> None:
        stored = np.asarray(images)
        if stored.ndim == 3:
            stored = stored[..., None]
        if stored.ndim != 4 or stored.size == 0:
            raise ValueError(
                f"{name}: images must have shape (N, H, W, C) or, if grey, (N, H, W), with no empty axis; "
                f"got {np.shape(images)}"
            )
        if stored.dtype.kind == "f":
            require_unit_interval(name, stored)
        elif stored.dtype != np.uint8:
            raise TypeError(
                f"{name}: images must be uint8 (0 to 255) or floats in [0, 1], got {stored.dtype}; "
                "convert bytes with images.astype(numpy.uint8), other ranges with "
                "(images / images.max()).astype(numpy.float32)"
            )
        self.name = name
        self.images = stored
        self.labels = None if labels is None else require_labels(name, labels, len(stored))
        self.shape: tuple[int, int, int] = (stored.shape[1], stored.shape[2], stored.shape[3])

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The type in which the images are stored."""
        return self.images.dtype

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, indices: ArrayLike, dtype: DTypeLike = np.float32) -> Array:
        """Return the images at `indices` (n integers) as a new array (n, H, W, C) of `dtype` in [0, 1].

        Raises TypeError if the indices are not integers, IndexError if one is outside the set.
        """
        chosen = self.images[checked_indices(self.name, indices, len(self))]
        if self.images.dtype == np.uint8:
            return np.divide(chosen, 255, dtype=dtype)
        return chosen.astype(dtype, copy=False)


class Subset:
    """The images of another data set at the given indices, in that order."""

    def __init__(self, dataset: Dataset, indices: ArrayLike, name: str | None = None) -> None:
        self.dataset = dataset
        self.indices = checked_indices(dataset.name, indices, len(dataset))
        self.name = dataset.name if name is None else name
        self.shape = dataset.shape
        self.labels = None if dataset.labels is None else dataset.labels[self.indices]

    @property
    def dtype(self) -> np.dtype[np.generic] | None:
        """The type in which the images are stored, None if the other data set does not say."""
        return getattr(self.dataset, "dtype", None)

    def __len__(self) -> int:
        return len(self.indices)

    def batch(self, indices: ArrayLike, dtype: DTypeLike = np.float32) -> Array:
        """Return the images at `indices` of this subset; see `ArrayDataset.batch`."""
        return self.dataset.batch(self.indices[checked_indices(self.name, indices, len(self))], dtype)


def checked_indices(where: str, indices: ArrayLike, count: int) -> Array:
    """Return `indices` as a one-dimensional array of integers in [0, count); TypeError or IndexError otherwise."""
    array = np.asarray(indices)
    if array.size == 0:
        array = array.astype(np.intp)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise TypeError(f"{where}: indices must be a list of integers, got {array.dtype} of shape {array.shape}")
    if array.size and (array.min() < 0 or array.max() >= count):
        raise IndexError(f"{where}: indices must lie in 0..{count - 1}, got {array.min()}..{array.max()}")
    return array


def require_unit_interval(where: str, images: Array) -> None:
    """Raise ValueError unless every value is finite and in [0, 1]; the array is read in chunks."""
    rows = max(1, VALUES_PER_CHUNK // max(1, images[0].size))
    broken, first, low, high = 0, "", 0.0, 1.0
    for start in range(0, len(images), rows):
        part = images[start : start + rows]
        finite = np.isfinite(part)
        if not finite.all():
            row, *place = (int(i) for i in np.argwhere(~finite)[0])
            first = first or str((start + row, *place))
            broken += int(np.count_nonzero(~finite))
        low = min(low, float(part.min(where=finite, initial=0.0)))
        high = max(high, float(part.max(where=finite, initial=1.0)))
    if broken:
        raise ValueError(
            f"{where}: images must be finite, but {broken} of {images.size} values are NaN or infinite, "
            f"the first at index {first}; remove or repair those images"
        )
    if low < 0 or high > 1:
        raise ValueError(
            f"{where}: float images must lie in [0, 1], got values from {low:g} to {high:g}; "
            "rescale them first (bytes: images / 255)"
        )


def require_labels(where: str, labels: ArrayLike, count: int, of: str = "images") -> Array:
    """Return `labels` as an array after checking that it holds one integer for each of `count` things, named by `of`.

    Raises TypeError unless they are integers, ValueError for another number of them.
    """
    array = np.asarray(labels)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{where}: labels must be integers, got {array.dtype}")
    if array.shape != (count,):
        raise ValueError(f"{where}: labels must hold one integer for each of {count} {of}, got shape {array.shape}")
    return array
