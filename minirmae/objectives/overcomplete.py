"""Overcomplete coding by units of limited capacity: linear ends, and noise between them.

Doi and Lewicki 2004 ("Sparse coding of natural images using an overcomplete set of
limited capacity units", NIPS 17) code images by linear units `u = x W + b` that are
read with noise of a fixed power. A unit could escape the noise by being loud, so
its power is held at 1: its signal-to-noise ratio s, and with it its
capacity of log2(1 + s) / 2 bits, is given. More units than pixels are then not idle: they
repeat what matters. With noise e of variance 1/s and `x_hat = (u + e) A + c`, the loss is

    mean (x_hat - x)^2 + capacity mean_i (ln <u_i^2>)^2 + sparsity mean ln(1 + u^2),

where <.> is the mean over the batch. The best linear code is known in closed
form: `robust_coding`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minirmae.arrays import Array, array_module, asarray, device_of
from minirmae.layers import Backward, Flatten, Layer, Linear, Reshape, Sequential, Shape
from minirmae.models.autoencoder import PRESETS, Autoencoder, ModelConfig
from minirmae.objectives.objective import Objective, ObjectiveBackward
from minirmae.objectives.recipe import Recipe, Settings
from minirmae.objectives.robust_coding import signal_to_noise
from minirmae.objectives.setting import require_range
from minirmae.ops import mean_squared_error
from minirmae.validation import require_cotangent


class Channel(Layer):
    """Add Gaussian noise of standard deviation `noise` to every entry when given an rng; a copy without one."""

    def __init__(self, noise: float) -> None:
        super().__init__()
        self.noise = noise

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        y = x.copy()
        if rng is not None:
            noise = np.asarray(self.noise * rng.standard_normal(x.shape))
            y += asarray(noise.astype(x.real.dtype), device_of(x))

        def backward(dy: Array) -> Array:
            require_cotangent("Channel backward", dy, y)
            return dy.copy()

        return y, backward


def limited_capacity(
    model: Autoencoder,
    x: Array,
    rng: np.random.Generator | None = None,
    *,
    capacity: float = 1.0,
    sparsity: float = 1e-3,
) -> tuple[Array, ObjectiveBackward]:
    """Reconstruction error, squared log power and sparsity of the units, at images `x` (N, H, W, C).

    Args:
        model: its bottleneck is the channel.
        rng: source of the channel's noise; None reads the units without any.
        capacity: weight of the term that holds the units' power at 1.
        sparsity: weight of the sparseness of the units.

    With `m_i = <u_i^2>`, the two penalties have the derivatives `4 capacity u_ni ln(m_i) / (m_i N M)` and
    `2 sparsity u_ni / ((1 + u_ni^2) N M)` with respect to u_ni.
    """
    u, encoder_backward = model.encoder(x, rng)
    noisy, channel_backward = model.bottleneck(u, rng)
    x_hat, decoder_backward = model.decoder(noisy, rng)
    loss, loss_backward = mean_squared_error(x_hat, x)
    xp, squares = array_module(u), u * u
    power = squares.mean(axis=0)
    log_power = xp.log(power)
    penalty = capacity * (log_power * log_power).mean() + sparsity * xp.log1p(squares).mean()

    def backward() -> None:
        du = channel_backward(decoder_backward(loss_backward()))
        slope = 4 * capacity * log_power / power + 2 * sparsity / (1 + squares)
        encoder_backward(du + u * slope / u.size)

    return loss + penalty, backward


def linear_machine(shape: Shape, units: int, snr: float, rng: np.random.Generator, dtype: Any) -> Autoencoder:
    """Linear encoder and decoder of images of `shape` with a channel of signal-to-noise ratio `snr` between them."""
    inputs = math.prod(shape)
    encoder = Sequential(Flatten(), Linear(inputs, units, rng=rng, dtype=dtype))
    decoder = Sequential(Linear(units, inputs, rng=rng, dtype=dtype), Reshape(shape))
    return Autoencoder(encoder, Channel(1 / math.sqrt(snr)), decoder)


def _objective(settings: Settings) -> Objective:
    signal_to_noise(settings["bits"])
    for name in ("capacity", "sparsity"):
        require_range("overcomplete", name, settings[name], 0.0)
    weights = {"capacity": settings["capacity"], "sparsity": settings["sparsity"]}
    return lambda model, x, rng: limited_capacity(model, x, rng, **weights)


def _build(config: ModelConfig, settings: Settings, rng: np.random.Generator, dtype: Any) -> Autoencoder:
    if config.linear_layers:
        raise ValueError(
            f"objective overcomplete: its model has no linear layers, so linear_layers must be 0, "
            f"got {config.linear_layers}"
        )
    return linear_machine(PRESETS[config.preset].image, config.latent, signal_to_noise(settings["bits"]), rng, dtype)


RECIPE = Recipe(
    name="overcomplete",
    title="overcomplete",
    statement="reconstruct linearly from noisy units, each of one fixed signal-to-noise ratio",
    source="Doi, Lewicki 2004 (NIPS 17)",
    objective=_objective,
    build=_build,
    settings={"bits": 1.0, "capacity": 1.0, "sparsity": 1e-3},
)
