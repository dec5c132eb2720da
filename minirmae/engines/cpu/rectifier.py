"""The ReLU of a fused stage, and the cotangent in front of it, a few images at a time."""

from __future__ import annotations

import numpy as np

from minirmae.arrays import Array, array_module


def rectify(x: Array, out: Array | None = None) -> Array:
    """`max(x, 0)`, written into `out` if that is given; complex numbers by their real parts."""
    # NumPy's maximum is the fastest, but orders complex numbers lexicographically.
    xp = array_module(x)
    return xp.multiply(x, x.real > 0, out=out) if x.dtype.kind == "c" else xp.maximum(x, 0, out=out)


def gate(dy: Array, y: Array) -> Array:
    """The cotangent in front of the rectifier whose value is y, for dy behind it."""
    return dy * (y.real > 0)


class GatedCotangent:
    """What `gate(dy, y)` gives, made for the images that are asked for, and read while they are in the cache.

    Every image is to be asked for once, whole.

    Attributes:
        shape, dtype: of the whole.
        channel_sum: of what has been asked for, the gradient of a bias.
    """

    def __init__(self, dy: Array, y: Array) -> None:
        self.dy, self.y = dy, y
        self.shape, self.dtype = dy.shape, dy.dtype
        self.channel_sum: Array = np.zeros(dy.shape[-1], dtype=dy.dtype)

    def __len__(self) -> int:
        return len(self.dy)

    def __getitem__(self, images: slice) -> Array:
        part = gate(self.dy[images], self.y[images])
        self.channel_sum += channel_sum(part)
        return part


def channel_sum(images: Array) -> Array:
    """Sum of images (N, H, W, C) over everything but the channels: the gradient of a bias."""
    # A product with ones is several times faster than a sum along the slow axes.
    pixels = images.reshape(-1, images.shape[3])
    return array_module(images).ones(len(pixels), dtype=images.dtype) @ pixels
