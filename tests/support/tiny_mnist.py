"""A stand-in for MNIST of ten images: four IDX files and the table entry that knows them."""

import hashlib
from pathlib import Path

import numpy as np

from minirmae.data import read_idx, write_idx
from minirmae.data.published import PublishedFile, PublishedSet

NAMES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)


def write_tiny_mnist(directory: Path, seed: int = 0) -> PublishedSet:
    """Write 6 training and 4 evaluation images of noise with labels; return their table entry, without mirrors."""
    rng = np.random.default_rng(seed)
    directory.mkdir(parents=True, exist_ok=True)
    files = []
    for name in NAMES:
        count = 6 if name.startswith("train") else 4
        shape = (count, 28, 28) if "images" in name else (count,)
        write_idx(directory / name, rng.integers(0, 10, shape).astype(np.uint8))
        write_idx(directory / "plain", read_idx(directory / name))
        content = (directory / "plain").read_bytes()
        files.append(PublishedFile(name, len(content), hashlib.sha256(content).hexdigest()))
    (directory / "plain").unlink()
    return PublishedSet("mnist", tuple(files), ())
