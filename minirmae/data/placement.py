"""Batches on a device: moved one by one, or chosen from images that are there already.

By default a data set stays in the host's memory, and each batch of floats is
moved when it is needed. `DeviceDataset` copies all images once, as they are
stored (one byte a value); after that only indices are moved.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from minirmae.arrays import Array, array_module, asarray, device_of
from minirmae.data.batches import ordered_batches
from minirmae.data.dataset import ArrayDataset, Dataset, Subset, checked_indices
from minirmae.devices import require_device

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike

_BATCH = 1024


def to_device(batch: Any, device: str) -> Any:
    """Return a batch, an array or a record of arrays such as `LabelledBatch`, on `device`.

    Raises DeviceError (a ValueError) if there is no such device, or it cannot be used.
    """
    if is_dataclass(batch) and not isinstance(batch, type):
        return replace(batch, **{field.name: asarray(getattr(batch, field.name), device) for field in fields(batch)})
    return asarray(batch, device)


class DeviceDataset:
    """The images of `dataset`, copied to `device`; its labels stay in the host's memory.

    Images that are stored as bytes are copied as bytes, others as float32.
    Raises DeviceError (a ValueError) if there is no such device, or it cannot be used.

    >>> grey = ArrayDataset(np.full((3, 8, 8), 51, dtype=np.uint8))
    >>> DeviceDataset(grey, "cpu").batch([2])[0, 0, 0]
    array([0.2], dtype=float32)
    """

    def __init__(self, dataset: Dataset, device: str) -> None:
        require_device(device)
        self.name, self.shape, self.labels = dataset.name, dataset.shape, dataset.labels
        self.images = asarray(_stored(dataset), device)

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The type in which the images are stored."""
        return self.images.dtype

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, indices: ArrayLike, dtype: DTypeLike = np.float32) -> Array:
        """Return the images at `indices` on the device; see `ArrayDataset.batch`.

        Indices that are on the device already are not checked, because a check would wait for them.
        """
        device = device_of(self.images)
        if device_of(indices) == "cpu":
            indices = asarray(checked_indices(self.name, indices, len(self)), device)
        chosen = array_module(self.images).take(self.images, indices, axis=0)
        floats: Array = chosen.astype(dtype)
        return floats / 255 if self.images.dtype == np.uint8 else floats


def _stored(dataset: Dataset) -> Array:
    """All images of a data set as it stores them; bytes if it says that they are bytes, else float32."""
    if isinstance(dataset, ArrayDataset):
        return np.asarray(dataset.images)
    if isinstance(dataset, Subset):
        return _stored(dataset.dataset)[dataset.indices]
    batches = (dataset.batch(indices) for indices in ordered_batches(len(dataset), _BATCH))
    if getattr(dataset, "dtype", None) == np.uint8:
        return np.concatenate([np.rint(255 * batch).astype(np.uint8) for batch in batches])
    return np.concatenate(list(batches))
