"""Pooling as layers: windows and no parameters."""

from __future__ import annotations

import numpy as np

from minirmae.arrays import Array
from minirmae.engines.cpu.patches import Pair
from minirmae.layers.backward import Backward
from minirmae.layers.layer import Layer, Shape
from minirmae.ops.convolution import pair
from minirmae.ops.pooling import avg_pool2d, max_pool2d, pooled_size


class _Pool2d(Layer):
    """A window and its stride; None is the window's size."""

    def __init__(self, kernel: int | Pair, stride: int | Pair | None = None) -> None:
        super().__init__()
        name = type(self).__name__
        self.kernel = pair(name, "kernel", kernel, 1)
        self.stride = self.kernel if stride is None else pair(name, "stride", stride, 1)

    def output_shape(self, shape: Shape) -> Shape:
        return (*pooled_size((shape[0], shape[1]), self.kernel, self.stride), shape[2])


class AvgPool2d(_Pool2d):
    """Mean of each window of images (N, H, W, C); see `ops.avg_pool2d`."""

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        return avg_pool2d(x, self.kernel, self.stride)


class MaxPool2d(_Pool2d):
    """Largest entry of each window of images (N, H, W, C); see `ops.max_pool2d`."""

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        return max_pool2d(x, self.kernel, self.stride)
