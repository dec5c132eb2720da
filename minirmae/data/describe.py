"""What is in a data set, in numbers that can be printed; and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from minirmae.data.batches import ordered_batches
from minirmae.data.dataset import Dataset
from minirmae.data.folder import broken_images
from minirmae.data.published import PUBLISHED, is_published, local_files
from minirmae.data.sources import holds_idx, locate, open_dataset
from minirmae.data.splits import SPLITS

_BATCH = 256
_MOST_LABELS = 1000


def describe(dataset: Dataset, *, measured: int = 10_000) -> dict[str, Any]:
    """Return a summary of `dataset` that `json.dumps` accepts.

    Keys: name, count, shape (a list), dtype (the stored one, None if unknown),
    measured (the number of images, evenly spread, behind the next four), minimum,
    maximum, mean, std (of all values, in [0, 1]), labels (how often each occurs,
    over the whole set; None if there are no labels or more than 1000 kinds).

    >>> from minirmae.data import ArrayDataset
    >>> describe(ArrayDataset(np.array([[[0, 255]], [[255, 255]]], dtype=np.uint8), labels=[3, 3]))["labels"]
    {'3': 2}
    """
    chosen = np.linspace(0, len(dataset) - 1, min(measured, len(dataset))).round().astype(np.intp)
    total, squares, minimum, maximum = 0.0, 0.0, np.inf, -np.inf
    for positions in ordered_batches(len(chosen), _BATCH):
        values = dataset.batch(chosen[positions], dtype=np.float64)
        total += float(values.sum())
        squares += float(np.square(values).sum())
        minimum, maximum = min(minimum, float(values.min())), max(maximum, float(values.max()))
    number = len(chosen) * int(np.prod(dataset.shape))
    mean = total / number
    dtype = getattr(dataset, "dtype", None)
    return {
        "name": dataset.name,
        "count": len(dataset),
        "shape": list(dataset.shape),
        "dtype": None if dtype is None else str(dtype),
        "measured": len(chosen),
        "minimum": minimum,
        "maximum": maximum,
        "mean": mean,
        "std": float(np.sqrt(max(squares / number - mean**2, 0.0))),
        "labels": _label_counts(dataset),
    }


def problems(source: str, **options: Any) -> Iterator[str]:
    """Check all that `source` holds; yield one line for each thing wrong, nothing if all is well.

    The files of "mnist" and "fashion-mnist" are compared with the published
    ones, every image of a folder is decoded, and if that went well both splits
    are opened. `options` are those of `open_dataset`.
    """
    flaws = _flaws(source)
    first = next(flaws, None)
    if first is not None:
        yield first
        yield from flaws
        return
    for split in SPLITS:
        try:
            open_dataset(source, split, **options)
        except (ValueError, TypeError, OSError) as error:
            yield f"{split}: {error}"


def _flaws(source: str) -> Iterator[str]:
    """Yield what is wrong with single files."""
    if source == "shapes":
        return
    try:
        place = locate(source)
    except (ValueError, OSError) as error:
        yield str(error)
        return
    if place.is_dir() and source in PUBLISHED:
        yield from _differences(source, place)
    elif place.is_dir() and not holds_idx(place):
        yield from broken_images(place)


def _label_counts(dataset: Dataset) -> dict[str, int] | None:
    if dataset.labels is None:
        return None
    values, counts = np.unique(dataset.labels, return_counts=True)
    if len(values) > _MOST_LABELS:
        return None
    return {str(value): int(count) for value, count in zip(values, counts, strict=True)}


def _differences(name: str, place: Path) -> Iterator[str]:
    """Name the files that are not the published ones."""
    for file, path in local_files(name, place):
        if path is None or not is_published(file, path):
            yield f"{path}: is not the published {file.name} of {name}; fetch it again"
