"""Finding MNIST and Fashion-MNIST files that a machine already has, to use them in place.

A directory counts if it has all four files and its evaluation labels are the
published ones: the two sets share their file names, so a name alone does not
tell which of them it is. MNIST also counts as the one file mnist.npz that Keras
keeps.
"""

from __future__ import annotations

import os
from pathlib import Path

from minirmae.data.dataset import DataError
from minirmae.data.idx_directory import find_idx_file
from minirmae.data.published import is_published, published_set
from minirmae.data.splits import SPLITS

_BELOW = {
    "mnist": ("", "mnist", "MNIST", "MNIST/raw", "mnist.npz"),
    "fashion-mnist": ("", "fashion-mnist", "fashion_mnist", "fashion", "FashionMNIST", "FashionMNIST/raw"),
}


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


def _holds(name: str, place: Path) -> bool:
    """Whether all four files are there and the evaluation labels, the shortest, are the published ones."""
    if place.suffix == ".npz":
        return place.is_file()
    try:
        files = {(split, kind): find_idx_file(place, split, kind) for split in SPLITS for kind in ("images", "labels")}
    except (OSError, DataError):
        return False
    labels = files["evaluation", "labels"]
    return all(files.values()) and labels is not None and is_published(published_set("find", name).files[-1], labels)
