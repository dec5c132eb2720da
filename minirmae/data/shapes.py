"""The synthetic shapes of the IRMAE paper: one filled circle or square on black.

Seven numbers describe an image (three of colour, two of position, one of size,
one of shape), so the images lie on a manifold of intrinsic dimension 7. The
factors are kept with the images: whoever studies the manifold needs them.

Source: Jing, Zbontar and LeCun, Implicit Rank-Minimizing Autoencoder, NeurIPS
2020 (arXiv 2010.00679), and the ranges in its authors' public code. There, the
validation images repeat training images; here they come from a stream of
their own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minirmae.arrays import Array
from minirmae.data.dataset import ArrayDataset
from minirmae.data.splits import SPLITS
from minirmae.data.streams import stream
from minirmae.validation import require_choice, require_positive_int

SHAPES_TRAIN = 50_000
"""The paper's number of training images."""

SHAPES_EVALUATION = 10_000
"""How many fresh images evaluate a model unless told otherwise."""

_CHUNK = 256


@dataclass(frozen=True, eq=False)
class Factors:
    """The seven numbers behind each of n images.

    `kind` (n,): 0 for a circle, 1 for a square. `colour` (n, 3): uint8 red,
    green, blue. `x`, `y` (n,): column and row of the circle's centre or of the
    square's upper left corner. `size` (n,): the circle's radius; a square
    covers size + 1 pixels each way.
    """

    kind: Array
    colour: Array
    x: Array
    y: Array
    size: Array

    def __len__(self) -> int:
        return len(self.kind)


class ShapesDataset(ArrayDataset):
    """Images of shapes with the `factors` that generated them; the label of an image is its kind."""

    def __init__(self, factors: Factors, size: int, name: str) -> None:
        super().__init__(render(factors, size), factors.kind, name)
        self.factors = factors


def draw_factors(count: int, *, seed: int, split: str = "train", size: int = 32) -> Factors:
    """Draw the factors of `count` images of `size` by `size` pixels.

    Kind, colour, position and size are independent and uniform: both kinds
    equally likely, 256 levels per colour channel, x and y in size/4 .. 3 size/4
    inclusive, and a radius or side in 3 size/32 .. size/4 inclusive: 8..24 and
    3..8 at 32 pixels. The first n of a longer draw are the draw of n.

    Raises ValueError for an unknown split, a negative seed, a count below 1 or a size below 16.
    """
    require_positive_int("shapes", count=count, size=size)
    require_choice("shapes", "split", split, SPLITS)
    if size < 16:
        raise ValueError(f"shapes: size must be at least 16 pixels, got {size}")
    uniform = stream(f"{split} shapes", seed=seed).random((count, 7))
    near, far = size // 4, 3 * size // 4
    small, large = 3 * size // 32, size // 4
    low = np.array([0, 0, 0, 0, near, near, small])
    high = np.array([1, 255, 255, 255, far, far, large])
    drawn = low + (uniform * (high - low + 1)).astype(np.int64)
    return Factors(
        kind=drawn[:, 0], colour=drawn[:, 1:4].astype(np.uint8), x=drawn[:, 4], y=drawn[:, 5], size=drawn[:, 6]
    )


def render(factors: Factors, size: int = 32) -> Array:
    """Draw the images of `factors` as uint8 (n, size, size, 3).

    A pixel (column u, row v) belongs to a circle if (u-x)^2 + (v-y)^2 <= size^2
    and to a square if x <= u <= x + size and y <= v <= y + size. What leaves
    the image is cut off.
    """
    images, pixels = np.empty((len(factors), size, size, 3), dtype=np.uint8), np.arange(size)
    for start in range(0, len(factors), _CHUNK):
        part = slice(start, start + _CHUNK)
        extent = factors.size[part, None]
        across, down = pixels - factors.x[part, None], pixels - factors.y[part, None]
        circle = (across**2)[:, None, :] <= (extent**2 - down**2)[:, :, None]
        square = ((across >= 0) & (across <= extent))[:, None, :] & ((down >= 0) & (down <= extent))[:, :, None]
        inside = np.where(factors.kind[part, None, None] == 0, circle, square)
        for channel in range(3):  # one at a time: NumPy is slow where the last axis is as short as 3
            np.multiply(inside, factors.colour[part, channel, None, None], out=images[part, ..., channel])
    return images


def shapes(count: int, *, seed: int, split: str = "train", size: int = 32) -> ShapesDataset:
    """Return `count` images of shapes, uint8 (count, size, size, 3), with their factors.

    The same seed gives the same images; "train" and "evaluation" never share
    a stream of random numbers. See `draw_factors` for the ranges and errors.

    >>> data = shapes(4, seed=2)
    >>> len(data), data.shape, data.factors.kind
    (4, (32, 32, 3), array([0, 1, 0, 1]))
    """
    return ShapesDataset(draw_factors(count, seed=seed, split=split, size=size), size, f"shapes/{split}")
