"""The plain autoencoder and IRMAE, in the paper's three sizes.

    x -> encoder -> h -> W_1 ... W_l -> z -> decoder -> x_hat

The two differ by one number, `linear_layers`: 0 is the plain autoencoder
(Jing, Zbontar, LeCun 2020, arXiv 2010.00679). The ends are those of `presets.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import MISSING, dataclass, field
from typing import Any

import numpy as np

from minirmae.arrays import Array
from minirmae.layers import Backward, Layer, Linear, LinearStack, ReLU, Sequential, Shape
from minirmae.models.batched import in_batches
from minirmae.models.presets import PRESETS, Preset
from minirmae.validation import require_choice, require_int, require_positive_int

__all__ = ["PRESETS", "VARIANTS", "Autoencoder", "ModelConfig", "Preset", "build"]

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
        return in_batches(self.encoder, x, batch_size)

    def transform(self, h: Array, *, batch_size: int = 256) -> Array:
        """Codes z (N, n) that the linear layers make of codes h (N, n)."""
        return in_batches(self.bottleneck, h, batch_size)

    def decode(self, z: Array, *, batch_size: int = 256) -> Array:
        """Images (N, H, W, C) of codes z (N, n)."""
        return in_batches(self.decoder, z, batch_size)

    def reconstruct(self, x: Array, *, batch_size: int = 256) -> Array:
        """Images after encoding and decoding."""
        return in_batches(self, x, batch_size)

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


def option(default: Any, text: str, choices: Collection[str] = (), *, none: str = "") -> Any:
    """Return a field of a configuration that describes itself, so that the command line can make an option of it.

    Args:
        default: its default, or MISSING.
        text: what it means.
        choices: the words that it may be; none for anything of its type.
        none: what it is if nothing is given, in words, where the default does not say that.
    """
    return field(default=default, metadata={"help": text, "choices": choices, "none": none})


@dataclass(frozen=True)
class ModelConfig:
    """What determines an autoencoder up to its weights.

    The variants are "linear", or an ablation: "fixed" (random linear layers that are not trained), "shared" (one weight
    for all), "relu" (each followed by a ReLU).

    Raises:
        ValueError: unknown preset or variant, or a size out of range.
    """

    preset: str = option(MISSING, "the paper's architecture", PRESETS)
    latent: int = option(MISSING, "n, width of the code", none="the paper's")
    linear_layers: int = option(MISSING, "l, number of linear layers; 0 is the plain autoencoder", none="the paper's")
    variant: str = option("linear", "what the linear layers are", VARIANTS)

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
            f"got {config.linear_layers}"
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
