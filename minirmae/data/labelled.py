"""Images together with their labels, to train or to measure a classifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from minirmae.arrays import Array
from minirmae.data.dataset import DataError, Dataset

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike


@dataclass(frozen=True)
class LabelledBatch:
    """A batch of images (n, H, W, C) and the labels of the same images, n integers."""

    images: Array
    labels: Array

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, part: slice) -> LabelledBatch:
        return LabelledBatch(self.images[part], self.labels[part])


class Labelled:
    """The data set `dataset`, whose batches are `LabelledBatch`es of labels in 0..classes-1.

    Raises `DataError` if it has no labels or one of them is outside that range.

    >>> from minirmae.data import ArrayDataset
    >>> grey = ArrayDataset(np.zeros((3, 8, 8), dtype=np.uint8), labels=[4, 2, 4])
    >>> Labelled(grey, classes=10).batch([1, 2]).labels
    array([2, 4])
    """

    def __init__(self, dataset: Dataset, classes: int) -> None:
        labels = dataset.labels
        if labels is None:
            raise DataError(
                f"{dataset.name}: has no labels, and a classifier needs one for each image; use a source with labels, "
                "such as mnist, a directory of IDX files, or a .npz file with the arrays images and labels"
            )
        if labels.min() < 0 or labels.max() >= classes:
            raise DataError(
                f"{dataset.name}: labels must lie in 0..{classes - 1}, got {labels.min()} to {labels.max()}; "
                "a classifier of more classes is trained with --set classes=NUMBER"
            )
        self.dataset = dataset
        self.name, self.shape, self.labels = dataset.name, dataset.shape, labels

    def __len__(self) -> int:
        return len(self.dataset)

    def batch(self, indices: ArrayLike, dtype: DTypeLike = np.float32) -> Any:
        """Return the `LabelledBatch` at `indices`; see `ArrayDataset.batch`."""
        return LabelledBatch(self.dataset.batch(indices, dtype), self.labels[np.asarray(indices)])
