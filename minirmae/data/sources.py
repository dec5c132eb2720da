"""Opening what a user writes after `--data` as a data set.

That is "shapes", which are generated; "mnist" or "fashion-mnist", found on
this machine; a directory of IDX files or of PNG and JPEG images; or a .npy or
.npz file. The content of a directory or file decides how it is read.
"""

from __future__ import annotations

from pathlib import Path

from minirmae.data.arrays import NPY_MAGIC, NPZ_MAGIC, array_file
from minirmae.data.dataset import ArrayDataset, DataError, Dataset, Subset
from minirmae.data.folder import ImageFolder, images_below
from minirmae.data.idx import MAX_BYTES
from minirmae.data.idx_directory import find_idx_file, idx_directory
from minirmae.data.published import PUBLISHED, find, search_places
from minirmae.data.resize import resize
from minirmae.data.shapes import SHAPES_EVALUATION, SHAPES_TRAIN, shapes
from minirmae.data.splits import EVALUATION_FRACTION, SPLITS
from minirmae.validation import require_choice, require_positive_int

Shape = tuple[int, int, int]


def open_dataset(
    source: str,
    split: str = "train",
    *,
    shape: Shape | None = None,
    seed: int = 0,
    count: int | None = None,
    crop: int | None = 148,
    evaluation_fraction: float = EVALUATION_FRACTION,
    max_bytes: int = MAX_BYTES,
) -> Dataset:
    """Open the images of `split`, "train" or "evaluation", of `source`.

    `source` is "shapes", "mnist", "fashion-mnist" or a path; write ./shapes for a
    path of such a name. `shape` (H, W, C) is
    what the images must have: they are resized to it, and a different number of
    channels is an error; None takes them as they are, images of a folder as
    64 x 64 x 3. `count` takes the first `count` images. `seed` matters to shapes
    only; `crop` to folders (see `ImageFolder`); `evaluation_fraction` to folders
    and to arrays without a split of their own; `max_bytes` bounds a file.

    Raises `DataError` (a ValueError) if there is no such source or its data
    cannot be used, ValueError or TypeError for images that do not fit.
    """
    require_choice("open_dataset", "split", split, SPLITS)
    if count is not None:
        require_positive_int("open_dataset", count=count)
    if source == "shapes":
        size = _square(source, shape or (32, 32, 3), channels=(3,))
        return shapes(count or _shapes_count(split), seed=seed, split=split, size=size)
    path = locate(source)
    dataset: Dataset
    if path.is_file():
        dataset = array_file(path, split, evaluation_fraction=evaluation_fraction, max_bytes=max_bytes)
    elif holds_idx(path):
        dataset = idx_directory(path, split, size=None, max_bytes=max_bytes)
    else:
        size = _square(source, shape or (64, 64, 3), channels=(1, 3))
        channels = 3 if shape is None else shape[2]
        dataset = ImageFolder(
            path, size=size, crop=crop, channels=channels, split=split, evaluation_fraction=evaluation_fraction
        )
    if shape is not None:
        dataset = _fitted(dataset, shape)
    if count is None:
        return dataset
    if count > len(dataset):
        raise DataError(f"{source}: {count} {split} images were asked for, but there are only {len(dataset)}")
    return Subset(dataset, range(count))


def holds_idx(directory: Path) -> bool:
    """Whether a directory has an IDX file of images of either split."""
    return any(find_idx_file(directory, split, "images") for split in SPLITS)


def locate(source: str) -> Path:
    """Return the file or directory that a `source` other than "shapes" means.

    Raises `DataError`, saying what was looked for, unless something usable is there.
    """
    if source in PUBLISHED:
        found = find(source)
        if found is None:
            places = "\n  ".join(map(str, search_places(source)))
            raise DataError(
                f"{source}: its four files were not found on this machine. Looked in:\n  {places}\n"
                f"Fetch them with: minirmae data fetch {source}; or give the directory they are in, "
                "or set MINIRMAE_DATA to it"
            )
        return found
    path = Path(source).expanduser()
    if path.is_dir():
        if not holds_idx(path) and next(images_below(path), None) is None:
            raise DataError(
                f"{source}: nothing usable in this directory; looked for IDX files "
                "(train-images-idx3-ubyte[.gz], t10k-images-idx3-ubyte[.gz]) in it and for PNG or JPEG images "
                "in it and below"
            )
        return path
    if path.is_file():
        with open(path, "rb") as file:
            magic = file.read(len(NPY_MAGIC))
        if magic == NPY_MAGIC or magic.startswith(NPZ_MAGIC):
            return path
        raise DataError(
            f"{source}: not a .npy or .npz file; for IDX files or images give the directory that they are in"
        )
    raise DataError(
        f"{source}: no such data; expected {', '.join(['shapes', *PUBLISHED])}, a directory of IDX files, "
        f"a folder of PNG or JPEG images, or a .npy or .npz file; there is nothing at {path.absolute()}"
    )


def _shapes_count(split: str) -> int:
    return SHAPES_TRAIN if split == "train" else SHAPES_EVALUATION


def _square(source: str, shape: Shape, channels: tuple[int, ...]) -> int:
    """Return the side of a square shape; DataError for any other or for channels the source does not have."""
    if shape[0] != shape[1] or shape[2] not in channels:
        raise DataError(
            f"{source}: gives square images with {' or '.join(map(str, channels))} channels, "
            f"but {shape[0]} x {shape[1]} x {shape[2]} was asked for; choose a model with such an input"
        )
    return shape[0]


def _fitted(dataset: Dataset, shape: Shape) -> Dataset:
    """Return the data set with images of `shape`: resized, but never with other channels."""
    if dataset.shape == shape:
        return dataset
    if dataset.shape[2] != shape[2]:
        raise DataError(
            f"{dataset.name}: images have {dataset.shape[2]} channels, but {shape[2]} were asked for; choose a model "
            f"with {dataset.shape[2]} input channels, or convert the images (to colour: numpy.repeat(images, 3, -1))"
        )
    if isinstance(dataset, Subset):
        return Subset(_fitted(dataset.dataset, shape), dataset.indices, dataset.name)
    if not isinstance(dataset, ArrayDataset):
        raise TypeError(f"{dataset.name}: a {type(dataset).__name__} cannot be resized")
    return ArrayDataset(resize(dataset.images, shape[0], shape[1]), dataset.labels, dataset.name)
