"""The gradient in front of a rectifier, a few images at a time."""

from __future__ import annotations

import numpy as np

from minirmae.arrays import Array
from minirmae.engines.cpu.form import channel_sum
from minirmae.ops.activations import gate


class Gated:
    """What `gate(dy, y)` gives, made for the images that are asked for, which are read while they are in the cache.

    Every image is to be asked for once.

    Attributes:
        shape, dtype: of the whole.
        channel_sum: of what has been asked for.
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
