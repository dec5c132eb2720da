"""The paper's three architectures, each an encoder and a decoder.

Layers and sizes follow Jing, Zbontar, LeCun 2020 (arXiv 2010.00679), appendix,
and their public code where the two disagree.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minirmae.layers import (
    Conv2d,
    ConvTranspose2d,
    Flatten,
    Layer,
    Linear,
    ReLU,
    Reshape,
    Sequential,
    Shape,
    Tanh,
)


@dataclass(frozen=True)
class Preset:
    """One of the paper's architectures.

    Attributes:
        image: (H, W, C) of the input.
        latent: n, the paper's width of the code.
        linear_layers: l, the paper's number of linear layers.
        encoder: build it from (n, rng, dtype).
        decoder: build it from (n, rng, dtype, output), the last its final activation, None for tanh.
    """

    image: Shape
    latent: int
    linear_layers: int
    encoder: Callable[[int, np.random.Generator, Any], Sequential]
    decoder: Callable[..., Sequential]


def _down(inputs: int, outputs: int, rng: np.random.Generator, dtype: Any) -> Conv2d:
    """Convolution that halves the image."""
    return Conv2d(inputs, outputs, 4, stride=2, padding=1, rng=rng, dtype=dtype)


def _up(inputs: int, outputs: int, rng: np.random.Generator, dtype: Any) -> ConvTranspose2d:
    """Transposed convolution that doubles the image."""
    return ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, rng=rng, dtype=dtype)


def _with_relu(*layers: Layer) -> list[Layer]:
    """The layers, each followed by a ReLU."""
    return [part for layer in layers for part in (layer, ReLU())]


def _downs(channels: tuple[int, ...], rng: np.random.Generator, dtype: Any) -> list[Layer]:
    return _with_relu(*(_down(a, b, rng, dtype) for a, b in itertools.pairwise(channels)))


def _ups(channels: tuple[int, ...], rng: np.random.Generator, dtype: Any) -> list[Layer]:
    return _with_relu(*(_up(a, b, rng, dtype) for a, b in itertools.pairwise(channels)))


def _shapes_encoder(n: int, rng: np.random.Generator, dtype: Any) -> Sequential:
    # The paper's table puts a ReLU after the last convolution, its code does not.
    return Sequential(*_downs((3, 32, 64, 128, 256), rng, dtype), Conv2d(256, n, 2, rng=rng, dtype=dtype), Flatten())


def _shapes_decoder(n: int, rng: np.random.Generator, dtype: Any, output: Layer | None = None) -> Sequential:
    first = ConvTranspose2d(n, 256, 2, rng=rng, dtype=dtype)
    middle = _ups((256, 128, 64, 32), rng, dtype)
    return Sequential(Reshape((1, 1, n)), first, ReLU(), *middle, _up(32, 3, rng, dtype), output or Tanh())


def _mnist_encoder(n: int, rng: np.random.Generator, dtype: Any) -> Sequential:
    return Sequential(*_downs((1, 32, 64, 128, 256), rng, dtype), Flatten(), Linear(1024, n, rng=rng, dtype=dtype))


def _mnist_decoder(n: int, rng: np.random.Generator, dtype: Any, output: Layer | None = None) -> Sequential:
    first = Linear(n, 8 * 8 * 128, rng=rng, dtype=dtype)
    middle = _ups((128, 64, 32), rng, dtype)
    last = ConvTranspose2d(32, 1, 1, rng=rng, dtype=dtype)
    return Sequential(first, ReLU(), Reshape((8, 8, 128)), *middle, last, output or Tanh())


def _celeba_encoder(n: int, rng: np.random.Generator, dtype: Any) -> Sequential:
    convolutions = _downs((3, 128, 256, 512, 1024), rng, dtype)
    return Sequential(*convolutions, Flatten(), Linear(16384, n, rng=rng, dtype=dtype))


def _celeba_decoder(n: int, rng: np.random.Generator, dtype: Any, output: Layer | None = None) -> Sequential:
    first = Linear(n, 8 * 8 * 1024, rng=rng, dtype=dtype)
    middle = _ups((1024, 512, 256, 128), rng, dtype)
    last = ConvTranspose2d(128, 3, 1, rng=rng, dtype=dtype)
    return Sequential(first, Reshape((8, 8, 1024)), *middle, last, output or Tanh())


PRESETS = {
    "shapes": Preset((32, 32, 3), 32, 4, _shapes_encoder, _shapes_decoder),
    "mnist": Preset((32, 32, 1), 128, 8, _mnist_encoder, _mnist_decoder),
    "celeba": Preset((64, 64, 3), 512, 4, _celeba_encoder, _celeba_decoder),
}
