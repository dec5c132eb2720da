"""A directory of IDX files as a data set, recognised by the names that MNIST gave them.

    train-images-idx3-ubyte   train-labels-idx1-ubyte     the training images
    t10k-images-idx3-ubyte    t10k-labels-idx1-ubyte      the evaluation images

The variants in circulation count too: ".gz" at the end, ".idx3-ubyte" in place
of "-idx3-ubyte", "test" in place of "t10k", and a prefix ("emnist-letters-").
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from minirmae.data.dataset import ArrayDataset, DataError
from minirmae.data.idx import MAX_BYTES, read_idx
from minirmae.data.resize import resize
from minirmae.data.splits import SPLITS
from minirmae.validation import require_choice

_PARTS = {"train": "train", "evaluation": "t10k|test"}


def find_idx_file(directory: str | os.PathLike[str], split: str, kind: str) -> Path | None:
    """Return the file of `directory` with the "images" or "labels" of `split`, None if there is none.

    Of a plain and a gzipped file of one name the plain one is taken.

    Raises `DataError` if files of several data sets lie in the directory.
    """
    pattern = re.compile(rf"(?P<prefix>.*-)?({_PARTS[split]})-{kind}[-.]idx\d-\w+?(\.gz)?")
    found: dict[str, Path] = {}
    # Sorted, "name" comes before "name.gz".
    for path in sorted(Path(directory).iterdir()):
        match = pattern.fullmatch(path.name)
        if match and path.is_file():
            found.setdefault(match["prefix"] or "", path)
    if len(found) > 1:
        raise DataError(
            f"{directory}: holds the {split} {kind} of several data sets "
            f"({', '.join(path.name for path in found.values())}); put each into a directory of its own"
        )
    return next(iter(found.values()), None)


def idx_directory(
    path: str | os.PathLike[str], split: str = "train", *, size: int | None = 32, max_bytes: int = MAX_BYTES
) -> ArrayDataset:
    """Read the images of `split`, and their labels if there are any, from the IDX files in the directory `path`.

    Images (N, H, W) or (N, H, W, C) are resized to `size` by `size` pixels, 32
    as in the paper; None leaves them as they are. `max_bytes` bounds each file.

    Raises `DataError` if the image file is missing, a file is damaged (see
    `read_idx`) or images and labels differ in number; the errors of
    `ArrayDataset` if the file does not hold uint8 images; OSError if the
    directory cannot be read.
    """
    require_choice("idx_directory", "split", split, SPLITS)
    images_path = find_idx_file(path, split, "images")
    if images_path is None:
        prefix = _PARTS[split].split("|")[0]
        raise DataError(
            f"{path}: no {split} images: expected a file {prefix}-images-idx3-ubyte or {prefix}-images-idx3-ubyte.gz"
        )
    images = read_idx(images_path, max_bytes=max_bytes)
    labels_path = find_idx_file(path, split, "labels")
    labels = None if labels_path is None else read_idx(labels_path, max_bytes=max_bytes)
    if labels is not None and labels.shape != images.shape[:1]:
        raise DataError(
            f"{path}: {images_path.name} holds {len(images)} images, but {labels_path} has labels of shape "
            f"{labels.shape}; the two files do not belong together"
        )
    name = f"{Path(path).resolve().name}/{split}"
    dataset = ArrayDataset(images, labels, name)
    if size is None:
        return dataset
    return ArrayDataset(resize(dataset.images, size, size), labels, name)
