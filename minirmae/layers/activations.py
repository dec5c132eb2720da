"""Functions of every entry by itself."""

from __future__ import annotations

import numpy as np

from minirmae import ops
from minirmae.arrays import Array
from minirmae.layers.backward import Backward
from minirmae.layers.layer import Layer


class ReLU(Layer):
    """Rectifier `max(x, 0)`."""

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        return ops.relu(x)


class LeakyReLU(Layer):
    """Leaky rectifier: `slope * x` where x is not positive."""

    def __init__(self, slope: float = 0.01) -> None:
        super().__init__()
        self.slope = slope

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        return ops.leaky_relu(x, self.slope)


class Sigmoid(Layer):
    """Logistic function."""

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        return ops.sigmoid(x)


class Tanh(Layer):
    """Hyperbolic tangent."""

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        return ops.tanh(x)
