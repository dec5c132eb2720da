"""The plain autoencoder and IRMAE, in the paper's three sizes.

    x -> encoder -> h -> W_1 ... W_l -> z -> decoder -> x_hat

The two differ by one number, `linear_layers`: 0 is the plain autoencoder.
Layers and sizes follow Jing, Zbontar, LeCun 2020 (arXiv 2010.00679), appendix,
and their public code where the two disagree.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minirmae.backend import Array, array_module
from minirmae.layers import (
    Backward,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    Layer,
    Linear,
    LinearStack,
    ReLU,
    Reshape,
    Sequential,
    Shape,
    Tanh,
)
from minirmae.validation import require_choice, require_int, require_positive_int

VARIANTS = ("linear", "fixed", "shared", "relu")
"""What stands between encoder and decoder: the linear layers, or one of the paper's ablations of them."""


class Autoencoder(Layer):
    """An encoder, the layers between, and a decoder.

    Args:
        encoder: images (N, H, W, C) to vectors h (N, n).
        bottleneck: h to the code z, both (N, n).
        decoder: z to images.
    """

    def __init__(self, encoder: Layer, bottleneck: Layer, decoder: Layer) -> None:
        super().__init__(children={"encoder": encoder, "bottleneck": bottleneck, "decoder": decoder})
        self.encoder, self.bottleneck, self.decoder = encoder, bottleneck, decoder

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        h, encoder_backward = self.encoder(x, rng)
        z, bottleneck_backward = self.bottleneck(h, rng)
        x_hat, decoder_backward = self.decoder(z, rng)

        def backward(dx_hat: Array) -> Array:
            return encoder_backward(bottleneck_backward(decoder_backward(dx_hat)))

        return x_hat, backward

    def output_shape(self, shape: Shape) -> Shape:
        return self.decoder.output_shape(self.bottleneck.output_shape(self.encoder.output_shape(shape)))

    def encode(self, x: Array, *, batch_size: int = 256) -> Array:
        """Codes z (N, n) of images (N, H, W, C), after the linear layers."""
        return self.transform(self.encode_hidden(x, batch_size=batch_size), batch_size=batch_size)

    def encode_hidden(self, x: Array, *, batch_size: int = 256) -> Array:
        """Codes h (N, n) of images (N, H, W, C), before the linear layers."""
        return _in_batches(self.encoder, x, batch_size)

    def transform(self, h: Array, *, batch_size: int = 256) -> Array:
        """Codes z (N, n) that the linear layers make of codes h (N, n)."""
        return _in_batches(self.bottleneck, h, batch_size)

    def decode(self, z: Array, *, batch_size: int = 256) -> Array:
        """Images (N, H, W, C) of codes z (N, n)."""
        return _in_batches(self.decoder, z, batch_size)

    def reconstruct(self, x: Array, *, batch_size: int = 256) -> Array:
        """Images after encoding and decoding."""
        return _in_batches(self, x, batch_size)

    def collapsed(self) -> Autoencoder:
        """Return an autoencoder of the same function whose linear layers are multiplied into one.

        Raises:
            TypeError: the layers between are not linear.
        """
        clone = self.astype(self.dtype)
        if not isinstance(clone.bottleneck, LinearStack):
            raise TypeError("collapsed: only a linear bottleneck can be multiplied into one matrix")
        stack = LinearStack(clone.bottleneck.n, 1, rng=np.random.default_rng(), dtype=self.dtype).to(self.device)
        stack.parameters["W"].value[0] = clone.bottleneck.collapse()
        return Autoencoder(clone.encoder, stack, clone.decoder)


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


@dataclass(frozen=True)
class ModelConfig:
    """What determines an autoencoder up to its weights.

    Attributes:
        preset: "shapes", "mnist" or "celeba".
        latent: n, the width of the code.
        linear_layers: l; 0 is the plain autoencoder.
        variant: "linear"; or an ablation: "fixed" (random linear layers that are not
            trained), "shared" (one weight for all), "relu" (each followed by a ReLU).

    Raises:
        ValueError: unknown preset or variant, or a size out of range.
    """

    preset: str
    latent: int
    linear_layers: int
    variant: str = "linear"

    def __post_init__(self) -> None:
        require_choice("autoencoder", "preset", self.preset, PRESETS)
        require_choice("autoencoder", "variant", self.variant, VARIANTS)
        require_positive_int("autoencoder", latent=self.latent)
        require_int("autoencoder", "linear_layers", self.linear_layers, 0)

    @classmethod
    def paper(
        cls, preset: str, latent: int | None = None, linear_layers: int | None = None, variant: str = "linear"
    ) -> ModelConfig:
        """Return a configuration with the paper's numbers where None is given."""
        require_choice("autoencoder", "preset", preset, PRESETS)
        latent = PRESETS[preset].latent if latent is None else latent
        layers = PRESETS[preset].linear_layers if linear_layers is None else linear_layers
        return cls(preset, latent, layers, variant)


def build(
    config: ModelConfig,
    rng: np.random.Generator,
    dtype: Any = np.float32,
    *,
    encoder_outputs: int | None = None,
    bottleneck: Callable[[np.random.Generator], Layer] | None = None,
    output: Layer | None = None,
) -> Autoencoder:
    """Build the autoencoder that `config` describes, with weights drawn from `rng`.

    Args:
        encoder_outputs: width of h, if it is not n.
        bottleneck: makes what stands between the ends in place of the linear layers, of which there must be none.
        output: the decoder's last layer; None is the paper's tanh.

    Raises ValueError if there are linear layers beside another bottleneck.

    >>> model = build(ModelConfig.paper("mnist"), np.random.default_rng(0))
    >>> f"{model.values.size:,}"
    '2,172,129'
    """
    if bottleneck is not None and config.linear_layers:
        raise ValueError(
            f"autoencoder: this objective has a bottleneck of its own, so linear_layers must be 0, "
            f"came {config.linear_layers}"
        )
    preset, n = PRESETS[config.preset], config.latent
    # The bottleneck is drawn last: one seed gives one encoder and one decoder, whatever stands between them.
    encoder = preset.encoder(encoder_outputs or n, rng, dtype)
    decoder = preset.decoder(n, rng, dtype, output)
    return Autoencoder(encoder, _linear_layers(config, rng, dtype) if bottleneck is None else bottleneck(rng), decoder)


def _linear_layers(config: ModelConfig, rng: np.random.Generator, dtype: Any) -> Layer:
    """What stands between the ends of IRMAE and of the paper's ablations."""
    n, l = config.latent, config.linear_layers
    if config.variant == "relu":
        parts = [part for _ in range(l) for part in (Linear(n, n, rng=rng, bias=False, dtype=dtype), ReLU())]
        return Sequential(*parts)
    shared, trainable = config.variant == "shared", config.variant != "fixed"
    return LinearStack(n, l, rng=rng, shared=shared, trainable=trainable, dtype=dtype)


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


def _in_batches(layer: Layer, x: Array, batch_size: int) -> Array:
    """Values of `layer` at all of `x`, a batch at a time, each backward dropped at once."""
    require_positive_int("batch", batch_size=batch_size)
    first, _ = layer(x[:batch_size])
    result = array_module(first).empty((len(x), *first.shape[1:]), dtype=first.dtype)
    result[: len(first)] = first
    for start in range(batch_size, len(x), batch_size):
        stop = start + batch_size
        result[start:stop] = layer(x[start:stop])[0]
    return result
