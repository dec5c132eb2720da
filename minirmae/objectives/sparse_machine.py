"""The models of the sparse symmetric machine: a logistic between encoder and decoder, and weights shared by the two.

The machine of Ranzato, Boureau and LeCun 2007 is linear on both sides of the
logistic, and the decoder's matrix is the encoder's, transposed:

    encoder(x) = x W + b,    decoder(l) = l W' + c.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minirmae.arrays import Array
from minirmae.layers import Backward, Flatten, Layer, Linear, Sequential, Shape
from minirmae.models.autoencoder import PRESETS, Autoencoder, ModelConfig
from minirmae.ops import linear, reshape, sigmoid


class Logistic(Layer):
    """`1 / (1 + exp(-g z))`, applied to every entry; g is a fixed gain."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        if not gain > 0:
            raise ValueError(f"Logistic: gain must be positive, got {gain!r}")
        self.gain = gain

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        y, sigmoid_backward = sigmoid(x * self.gain)

        def backward(dy: Array) -> Array:
            return sigmoid_backward(dy) * self.gain

        return y, backward


class Transposed(Layer):
    """`y = x W' + c` with another layer's W, as images of `shape`.

    The matrix stays the other layer's parameter: its gradient is added there, and
    the two must be parts of one model, which copies them together.
    """

    def __init__(self, source: Linear, shape: Shape, dtype: Any = np.float32) -> None:
        super().__init__({"c": np.zeros(source.parameters["W"].shape[0], dtype)})
        self.weight, self.shape = source.parameters["W"], shape

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        c = self.parameters["c"]
        flat, linear_backward = linear(x, self.weight.value.T, c.value)
        y, reshape_backward = reshape(flat, self.shape)

        def backward(dy: Array) -> Array:
            dx, dW, dc = linear_backward(reshape_backward(dy))
            self.weight.grad[...] += dW.T
            c.grad[...] += dc
            return dx

        return y, backward

    def output_shape(self, shape: Shape) -> Shape:
        return self.shape


def tied_machine(config: ModelConfig, gain: float, rng: np.random.Generator, dtype: Any = np.float32) -> Autoencoder:
    """Build the linear machine with one matrix W (H W C, n) for the images of a preset.

    Raises ValueError if `config` asks for linear layers or `gain` is not positive.

    >>> model = tied_machine(ModelConfig.paper("mnist", linear_layers=0), 7.0, np.random.default_rng(0))
    >>> model.values.size == 1024 * 128 + 128 + 1024
    True
    """
    if config.linear_layers:
        raise ValueError(f"sparse: the tied machine has no linear layers, got linear_layers {config.linear_layers}")
    shape = PRESETS[config.preset].image
    source = Linear(math.prod(shape), config.latent, rng=rng, dtype=dtype)
    return Autoencoder(Sequential(Flatten(), source), Logistic(gain), Transposed(source, shape, dtype))
