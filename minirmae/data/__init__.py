"""Data sets: where images come from and in which order they are visited.

`open_dataset` turns what a user writes ("shapes", "mnist", a path) into a
`Dataset`; everything else can be used on its own. Importing this package
loads NumPy only; Pillow and the network are imported by what needs them.
"""

from __future__ import annotations

from minirmae.data.arrays import array_file
from minirmae.data.batches import batches, epoch_order, ordered_batches, spread_indices, steps_per_epoch
from minirmae.data.dataset import ArrayDataset, DataError, Dataset, Subset
from minirmae.data.describe import describe, problems
from minirmae.data.fetch import FetchError, fetch
from minirmae.data.folder import ImageFolder
from minirmae.data.idx import read_idx, write_idx
from minirmae.data.idx_directory import idx_directory
from minirmae.data.labelled import Labelled, LabelledBatch
from minirmae.data.placement import DeviceDataset, to_device
from minirmae.data.published import cache_directory, find, search_places
from minirmae.data.resize import resize
from minirmae.data.shapes import SHAPES_EVALUATION, SHAPES_TRAIN, Factors, draw_factors, render, shapes
from minirmae.data.sources import open_dataset
from minirmae.data.splits import SPLITS, split_indices

__all__ = [
    "SHAPES_EVALUATION",
    "SHAPES_TRAIN",
    "SPLITS",
    "ArrayDataset",
    "DataError",
    "Dataset",
    "DeviceDataset",
    "Factors",
    "FetchError",
    "ImageFolder",
    "Labelled",
    "LabelledBatch",
    "Subset",
    "array_file",
    "batches",
    "cache_directory",
    "describe",
    "draw_factors",
    "epoch_order",
    "fetch",
    "find",
    "idx_directory",
    "open_dataset",
    "ordered_batches",
    "problems",
    "read_idx",
    "render",
    "resize",
    "search_places",
    "shapes",
    "split_indices",
    "spread_indices",
    "steps_per_epoch",
    "to_device",
    "write_idx",
]
