"""Sparse symmetric machine: find the code of least energy first, then learn from it.

The loss of Ranzato, Boureau and LeCun 2007 ("Sparse feature learning for deep
belief networks", NIPS 20) for one image x and a code z, with the logistic l of
gain g, is

    a_e |z - encoder(x)|^2 + |x - decoder(l(z))|^2 + a_s sum_i log(1 + l(z_i)^2) + a_r |W|_1.

Here it is averaged over the images and divided by the number of their entries, so
that its second term is the mean squared error of the other objectives. Learning has
two phases. First z descends this loss from encoder(x), with the weights held; then
the weights take a step, with z held. Holding z is no approximation at a minimum: there
the loss does not depend on z to first order, so the derivative of the minimum is the
partial derivative that phase two uses.

Encoder and decoder of the paper's machine are linear, and the decoder's matrix is the
encoder's, transposed: `encoder(x) = x W + b`, `decoder(l) = l W' + c`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minirmae.arrays import Array, array_module
from minirmae.layers import Backward, Flatten, Layer, Linear, Sequential, Shape
from minirmae.models.autoencoder import PRESETS, Autoencoder, ModelConfig, build
from minirmae.objectives.objective import Objective, ObjectiveBackward
from minirmae.objectives.recipe import Recipe, Settings, require_setting
from minirmae.ops import linear, reshape, sigmoid
from minirmae.validation import require_int

_WHERE = "objective sparse"


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

    The matrix remains the other layer's parameter, and its gradient is added there.
    Both layers must be parts of one model, so that they are copied together.
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


def code_energy(
    model: Autoencoder, x: Array, z: Array, h: Array, settings: Settings
) -> tuple[Array, Callable[[Array], tuple[Array, Array]]]:
    """The terms of the loss that depend on the code, one sum per image, not averaged.

    Args:
        model: its bottleneck is the logistic.
        x: images (N, H, W, C).
        z: codes before the logistic (N, n).
        h: the encoder's codes of x (N, n).
        settings: the recipe's, complete.

    Returns:
        energy (N,), and `backward(denergy) -> (dz, dh)`, which adds to the decoder's gradients.
    """
    code, logistic_backward = model.bottleneck(z)
    x_hat, decoder_backward = model.decoder(code)
    error, distance = x_hat - x, z - h
    prediction, sparsity = settings["prediction"], settings["sparsity"]
    energy = prediction * _per_image(distance * distance) + _per_image(error * error)
    energy = energy + sparsity * _per_image(array_module(code).log1p(code * code))

    def backward(denergy: Array) -> tuple[Array, Array]:
        column = denergy[:, None]
        image = denergy.reshape(-1, *[1] * (x.ndim - 1))
        dcode = decoder_backward(2 * error * image) + column * (2 * sparsity * code / (1 + code * code))
        dh = column * (-2 * prediction * distance)
        return logistic_backward(dcode) - dh, dh

    return energy, backward


def infer(model: Autoencoder, x: Array, settings: Settings) -> Array:
    """Phase one: codes z (N, n) of lower energy than the encoder's, by gradient descent that starts there.

    Each image has its own step size. A step that does not lower the image's energy is
    rejected, and the next one is half as long. The model's gradients do not change.
    """
    xp = array_module(x)
    h, _ = model.encoder(x)
    kept = model.grads.copy()  # the decoder's backward adds to them
    ones = xp.ones(len(x), dtype=h.dtype)
    rate = xp.full(len(x), settings["rate"], dtype=h.real.dtype)
    energy, backward = code_energy(model, x, h, h, settings)
    z, gradient = h, backward(ones)[0]
    for _ in range(settings["steps"]):
        candidate = z - rate[:, None] * gradient
        candidate_energy, backward = code_energy(model, x, candidate, h, settings)
        candidate_gradient = backward(ones)[0]
        lower = candidate_energy.real < energy.real
        z = xp.where(lower[:, None], candidate, z)
        gradient = xp.where(lower[:, None], candidate_gradient, gradient)
        energy = xp.where(lower, candidate_energy, energy)
        rate = xp.where(lower, rate, rate / 2)
    model.grads[...] = kept
    return z


def sparse_loss(model: Autoencoder, x: Array, z: Array, settings: Settings) -> tuple[Array, ObjectiveBackward]:
    """Phase two: the loss at images `x` (N, H, W, C) and their codes `z` (N, n), which are data."""
    h, encoder_backward = model.encoder(x)
    energy, energy_backward = code_energy(model, x, z, h, settings)
    penalty = settings["weights"] / x[0].size
    weights = [p for _, p in model.named_parameters() if p.trainable and len(p.shape) > 1]
    signs = [array_module(x).sign(p.value.real) for p in weights]
    total = sum((p.value * sign).sum() for p, sign in zip(weights, signs, strict=True))

    def backward() -> None:
        _, dh = energy_backward(array_module(x).full_like(energy, 1 / x.size))
        encoder_backward(dh)
        for p, sign in zip(weights, signs, strict=True):
            p.grad[...] += penalty * sign

    return energy.sum() / x.size + penalty * total, backward


def _per_image(entries: Array) -> Array:
    """Sums over all axes but the first."""
    return entries.reshape(len(entries), -1).sum(axis=1)


def _objective(settings: Settings) -> Objective:
    for name in ("prediction", "sparsity", "weights"):
        require_setting("sparse", name, settings[name], 0.0)
    for name in ("gain", "rate"):
        if settings[name] <= 0:
            raise ValueError(f"{_WHERE}: {name} must be positive, got {settings[name]}")
    require_int(_WHERE, "steps", settings["steps"], 0)
    return lambda model, x, rng: sparse_loss(model, x, infer(model, x, settings), settings)


def _build(config: ModelConfig, settings: Settings, rng: np.random.Generator, dtype: Any) -> Autoencoder:
    if settings["machine"] == "tied":
        return tied_machine(config, settings["gain"], rng, dtype)
    return build(config, rng, dtype, bottleneck=lambda rng: Logistic(settings["gain"]))


RECIPES = (
    Recipe(
        name="sparse",
        title="sparse",
        statement="reconstruct from the sparse code of least energy, and teach the encoder to find it",
        source="Ranzato, Boureau, LeCun 2007 (NIPS 20)",
        objective=_objective,
        build=_build,
        settings={
            "machine": "preset",
            "gain": 1.0,
            "prediction": 1.0,
            "sparsity": 0.2,
            "weights": 4e-4,
            "steps": 10,
            "rate": 0.1,
        },
        choices={"machine": ("preset", "tied")},
    ),
)
