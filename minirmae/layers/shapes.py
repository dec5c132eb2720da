"""New shapes for the same entries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minirmae import ops
from minirmae.arrays import Array
from minirmae.layers.backward import Backward
from minirmae.layers.layer import Layer, Shape


class Reshape(Layer):
    """Give every sample the shape `shape`."""

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.shape = tuple(shape)

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        return ops.reshape(x, self.shape)

    def view(self, x: Array) -> tuple[Array, Backward]:
        """The same without copying, where nobody else has x and the backward's dy."""
        return ops.reshape(x, self.shape, copy=False)

    def output_shape(self, shape: Shape) -> Shape:
        return self.shape


class Flatten(Layer):
    """Make every sample a vector."""

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        return ops.flatten(x)

    def view(self, x: Array) -> tuple[Array, Backward]:
        """The same without copying, where nobody else has x and the backward's dy."""
        return ops.flatten(x, copy=False)

    def output_shape(self, shape: Shape) -> Shape:
        return (int(np.prod(shape)),)
