"""Layers without parameters: activations, dropout, new shapes and pooling."""

from collections.abc import Callable
from typing import Any

import numpy as np

from minirmae import ops
from minirmae.arrays import Array, array_module, asarray, device_of
from minirmae.layers.layer import Backward, Layer
from minirmae.ops.convolution import Pixels, pair
from minirmae.validation import require_range


class Plain(Layer):
    """`y = op(x, *options)`, an op without weights."""

    op: Callable[..., tuple[Array, Backward]]

    def __init__(self, *options: Any) -> None:
        super().__init__()
        self.options = options

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        return self.op(x, *self.options)


class ReLU(Plain):
    """Rectifier `max(x, 0)`."""

    op = staticmethod(ops.relu)


class LeakyReLU(Plain):
    """Leaky rectifier: `slope * x` where x is not positive; the option is the slope, 0.01 by default."""

    op = staticmethod(ops.leaky_relu)


class Sigmoid(Plain):
    """Logistic function."""

    op = staticmethod(ops.sigmoid)


class Tanh(Plain):
    """Hyperbolic tangent."""

    op = staticmethod(ops.tanh)


class Reshape(Plain):
    """Give every sample the shape that is the option."""

    op = staticmethod(ops.reshape)


class Flatten(Plain):
    """Make every sample a vector."""

    op = staticmethod(ops.flatten)


class AvgPool2d(Plain):
    """Mean of each window of images (N, H, W, C), by default without overlap; see `ops.avg_pool2d`."""

    op = staticmethod(ops.avg_pool2d)

    def __init__(self, kernel: Pixels, stride: Pixels | None = None) -> None:
        name = type(self).__name__
        kernel = pair(name, "kernel", kernel, 1)
        super().__init__(kernel, kernel if stride is None else pair(name, "stride", stride, 1))


class MaxPool2d(AvgPool2d):
    """Largest entry of each window; see `ops.max_pool2d`."""

    op = staticmethod(ops.max_pool2d)


class Dropout(Layer):
    """Drop entries with probability `rate` when given an rng, which draws on the host; the identity without one."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        require_range("Dropout", "rate", rate, 0, 1)
        self.rate = rate

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        if rng is None:
            return ops.dropout(x, array_module(x).ones(x.shape, dtype=bool), 0.0)
        return ops.dropout(x, asarray(rng.random(x.shape) >= self.rate, device_of(x)), self.rate)
