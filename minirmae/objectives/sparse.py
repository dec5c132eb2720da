"""Sparse symmetric machine: find the code of least energy first, then learn from it.

The loss of Ranzato, Boureau and LeCun 2007 ("Sparse feature learning for deep
belief networks", NIPS 20) for one image x and a code z, with the logistic l of
gain g, is

    a_e |z - encoder(x)|^2 + |x - decoder(l(z))|^2 + a_s sum_i log(1 + l(z_i)^2) + a_r |W|_1,

here averaged over the images and divided by the number of their entries, so that
its second term is the mean squared error of the other objectives. Learning has
two phases. First z descends this loss from encoder(x), the weights held; then the
weights take a step, z held. Holding z is no approximation at a minimum: there the
loss does not depend on z to first order, so the derivative of the minimum is the
partial derivative that phase two uses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minirmae.arrays import Array, array_module
from minirmae.models.autoencoder import Autoencoder, ModelConfig, build
from minirmae.objectives.objective import Objective, ObjectiveBackward
from minirmae.objectives.recipe import Recipe, Settings
from minirmae.objectives.setting import require_range
from minirmae.objectives.sparse_machine import Logistic, tied_machine
from minirmae.validation import require_int

_WHERE = "objective sparse"


def code_energy(
    model: Autoencoder, x: Array, z: Array, h: Array, settings: Settings
) -> tuple[Array, Callable[[Array], tuple[Array, Array]]]:
    """The terms of the loss that depend on the code, for each image, and not divided by anything.

    Args:
        model: its bottleneck is the logistic.
        x: images (N, H, W, C).
        z: codes before the logistic (N, n).
        h: what the encoder says of x (N, n).
        settings: of the recipe.

    Returns:
        energy (N,), and `backward(denergy) -> (dz, dh)`, which adds into the decoder's gradients.
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
    """Phase one: codes z (N, n) of lower energy than the encoder's, by gradient descent from them.

    Each image has a step size of its own. A step that does not lower the image's
    energy is not taken, and the next one is half as long. No gradient is left in the model.
    """
    xp = array_module(x)
    h, _ = model.encoder(x)
    kept = model.grads.copy()  # the decoder's backward adds into them, and phase one must not show
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
        require_range("sparse", name, settings[name], 0.0)
    for name in ("gain", "rate"):
        if settings[name] <= 0:
            raise ValueError(f"{_WHERE}: {name} must be positive, got {settings[name]}")
    require_int(_WHERE, "steps", settings["steps"], 0)
    return lambda model, x, rng: sparse_loss(model, x, infer(model, x, settings), settings)


def _build(config: ModelConfig, settings: Settings, rng: np.random.Generator, dtype: Any) -> Autoencoder:
    if settings["machine"] == "tied":
        return tied_machine(config, settings["gain"], rng, dtype)
    return build(config, rng, dtype, bottleneck=lambda rng: Logistic(settings["gain"]))


RECIPE = Recipe(
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
)
