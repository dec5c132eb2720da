"""MNIST and Fashion-MNIST: which bytes they are, where they are published, and where a machine may have them already.

A file is known by the SHA-256 of its uncompressed content, so that it is
recognised however a mirror or a distribution compressed it:
`zcat FILE | sha256sum` prints the same number.

Files that a machine already has are used in place. A directory counts if it has
all four files and its evaluation labels are the published ones: the two sets
share their file names, so a name alone does not tell which of them it is. MNIST
also counts as the one file mnist.npz that Keras keeps.

Sources: Y. LeCun, C. Cortes, C. J. C. Burges, The MNIST database of handwritten
digits, 1998; H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST, arXiv 1708.07747, 2017.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from pathlib import Path

from minirmae.data.dataset import DataError
from minirmae.data.idx import open_decompressed
from minirmae.data.idx_directory import find_idx_file
from minirmae.data.splits import SPLITS
from minirmae.validation import require_choice


@dataclass(frozen=True)
class PublishedFile:
    """A file's usual name, the length of its content in bytes, and the SHA-256 of that content in hexadecimal."""

    name: str
    content_bytes: int
    sha256: str


@dataclass(frozen=True)
class PublishedSet:
    """The files of a data set and the addresses below which they lie."""

    name: str
    files: tuple[PublishedFile, ...]
    mirrors: tuple[str, ...]


def _four_files(train_images: str, train_labels: str, test_images: str, test_labels: str) -> tuple[PublishedFile, ...]:
    """Both sets have the same four files: 60,000 and 10,000 images of 28 x 28 bytes, and a byte of label for each."""
    return (
        PublishedFile("train-images-idx3-ubyte.gz", 47_040_016, train_images),
        PublishedFile("train-labels-idx1-ubyte.gz", 60_008, train_labels),
        PublishedFile("t10k-images-idx3-ubyte.gz", 7_840_016, test_images),
        PublishedFile("t10k-labels-idx1-ubyte.gz", 10_008, test_labels),
    )


PUBLISHED = {
    "mnist": PublishedSet(
        "mnist",
        _four_files(
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
    ),
    "fashion-mnist": PublishedSet(
        "fashion-mnist",
        _four_files(
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
        (
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        ),
    ),
}
"""The data sets that can be found and fetched by name."""

_BELOW = {
    "mnist": ("", "mnist", "MNIST", "MNIST/raw", "mnist.npz"),
    "fashion-mnist": ("", "fashion-mnist", "fashion_mnist", "fashion", "FashionMNIST", "FashionMNIST/raw"),
}
"""Where each set may lie below a directory of data sets, by the names that frameworks give it."""


def published_set(where: str, name: str) -> PublishedSet:
    """Return the entry of `PUBLISHED`; ValueError if there is none of that name."""
    require_choice(where, "name", name, PUBLISHED)
    return PUBLISHED[name]


def is_published(file: PublishedFile, path: str | os.PathLike[str]) -> bool:
    """Whether the content of `path`, uncompressed, is that of `file`; False too if the file is damaged or missing.

    Reads no more than the published length, whatever a gzip stream would expand to.
    """
    import hashlib

    digest = hashlib.sha256()
    left = file.content_bytes
    if not Path(path).is_file():
        return False
    try:
        with open_decompressed(path) as (stream, _):
            while left and (chunk := stream.read(min(left, 1 << 20))):
                digest.update(chunk)
                left -= len(chunk)
            longer = bool(stream.read(1))
    except DataError:
        return False
    return not longer and digest.hexdigest() == file.sha256


def cache_directory() -> Path:
    """Return the directory for downloads: minirmae below $XDG_CACHE_HOME or else ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "minirmae")


def search_places(name: str) -> list[Path]:
    """Return the places at which `find` looks for "mnist" or "fashion-mnist", in order.

    $MINIRMAE_DATA, ./data, `cache_directory()`, the data folders of Keras and
    MXNet, and Debian's /usr/share/datasets; in each of them the directory
    itself and the names that frameworks give the set, such as MNIST/raw.
    """
    published_set("search_places", name)
    roots: list[str | Path] = [
        *([os.environ["MINIRMAE_DATA"]] if os.environ.get("MINIRMAE_DATA") else []),
        "data",
        cache_directory(),
        os.path.expanduser("~/.keras/datasets"),
        os.path.expanduser("~/.mxnet/datasets"),
        "/usr/share/datasets",
    ]
    return [Path(root, below) for root in roots for below in _BELOW[name]]


def find(name: str) -> Path | None:
    """Return the first of `search_places` that holds the published files of `name`, None if none does.

    Raises ValueError unless `name` is "mnist" or "fashion-mnist".
    """
    return next((place for place in search_places(name) if _holds(name, place)), None)


def local_files(name: str, place: Path) -> list[tuple[PublishedFile, Path | None]]:
    """Return each published file of `name` with the file of the directory `place` in its role, plain or gzipped.

    Raises `DataError` if files of several data sets lie there, OSError if the directory cannot be read.
    """
    roles = itertools.product(SPLITS, ("images", "labels"))
    return [(file, find_idx_file(place, *role)) for file, role in zip(PUBLISHED[name].files, roles, strict=True)]


def _holds(name: str, place: Path) -> bool:
    """Whether all four files are there and the evaluation labels, the shortest, are the published ones."""
    if place.suffix == ".npz":
        return place.is_file()
    try:
        files = local_files(name, place)
    except (OSError, DataError):
        return False
    file, labels = files[-1]
    return all(path for _, path in files) and labels is not None and is_published(file, labels)
