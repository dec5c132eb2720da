"""Reconstruction in spite of noise: on the image (denoising), or on the code (dropout).

    denoising:  loss = mean (x_hat(corrupt(x)) - x)^2
    dropout:    loss = mean (x_hat(z) - x)^2,    z = h * keep / (1 - rate),    keep_i = 1 with probability 1 - rate

Denoising (Vincent, Larochelle, Bengio, Manzagol 2008) reconstructs the clean image
from a corrupted one. Masking is the corruption of that paper; Gaussian noise and salt
and pepper are in the longer one (JMLR 2010). The corrupted image is data: the gradient
is that of plain reconstruction at another input.

Dropout (Srivastava and others 2014) sets a random part of the code to zero. The decoder
can rely on no single entry, so the network stores everything several times.

Evaluation adds no noise.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minirmae.arrays import Array, array_module
from minirmae.layers import Dropout
from minirmae.models.autoencoder import Autoencoder, ModelConfig, build
from minirmae.objectives.objective import Objective, ObjectiveBackward
from minirmae.objectives.plain import reconstruction
from minirmae.objectives.recipe import Recipe, Settings, require_setting
from minirmae.ops import mean_squared_error
from minirmae.validation import require_choice, require_float, require_range

NOISES = ("gaussian", "masking", "salt-and-pepper")


def corrupt(x: Array, noise: str, level: float, rng: np.random.Generator) -> Array:
    """Return a corrupted copy of images `x` (N, ...), same shape and dtype.

    Args:
        noise: "gaussian" adds normal noise of standard deviation `level`. The others
            draw the fraction `level` of the entries of each image (their number is
            rounded), without replacement: "masking" sets them to 0, "salt-and-pepper"
            to 0 or 1 with equal probability.
        level: a standard deviation in units of the pixels, or a fraction between 0 and 1.
        rng: source of the noise.

    Raises TypeError if the images are not floating, ValueError if the noise is unknown.

    >>> rng = np.random.default_rng(0)
    >>> corrupt(np.full((2, 8), 0.5), "masking", 0.25, rng).sum(axis=1)
    array([3., 3.])
    """
    require_choice("corrupt", "noise", noise, NOISES)
    require_float("corrupt", x=x)
    xp, real = array_module(x), x.real.dtype
    if noise == "gaussian":
        return x + xp.asarray(np.asarray(level * rng.standard_normal(x.shape), dtype=real))
    # A random order of the entries of each image; the first ones are changed.
    order = rng.random((len(x), x[0].size)).argsort(axis=1)
    chosen = np.zeros(order.shape, dtype=bool)
    np.put_along_axis(chosen, order[:, : round(level * x[0].size)], True, axis=1)
    value = rng.integers(0, 2, x.shape) if noise == "salt-and-pepper" else np.zeros(x.shape)
    return xp.where(xp.asarray(chosen.reshape(x.shape)), xp.asarray(value.astype(real)), x)


def denoising(noise: str, level: float) -> Objective:
    """Return the objective that corrupts its images with `corrupt` and reconstructs the clean ones."""

    def objective(model: Autoencoder, x: Array, rng: np.random.Generator | None) -> tuple[Array, ObjectiveBackward]:
        seen = x if rng is None else corrupt(x, noise, level, rng)
        x_hat, model_backward = model(seen, rng)
        loss, loss_backward = mean_squared_error(x_hat, x)

        def backward() -> None:
            model_backward(loss_backward())

        return loss, backward

    return objective


def denoising_objective(settings: Settings) -> Objective:
    """The objective for complete settings; raises ValueError for a level out of range."""
    noise, level = settings["noise"], settings["level"]
    if noise == "gaussian":
        require_setting("denoising", "level (of gaussian noise, a standard deviation)", level, 0)
    else:
        require_setting("denoising", f"level (of {noise}, a part of the pixels)", level, 0, 1)
    return denoising(noise, level)


def dropout_objective(settings: Settings) -> Objective:
    """Plain reconstruction: the noise is in the model. Raises ValueError for a rate outside [0, 1)."""
    require_range("objective dropout", "rate", settings["rate"], 0, 1)
    return reconstruction


def dropout_model(config: ModelConfig, settings: Settings, rng: np.random.Generator, dtype: Any) -> Autoencoder:
    """The preset with dropout between encoder and decoder; raises ValueError if there are linear layers."""
    return build(config, rng, dtype, bottleneck=lambda rng: Dropout(settings["rate"]))


RECIPES = (
    Recipe(
        name="denoising",
        title="Denoising AE",
        statement="reconstruct the clean images from corrupted ones",
        source="Vincent, Larochelle, Bengio, Manzagol 2008 (ICML)",
        objective=denoising_objective,
        settings={"noise": "masking", "level": 0.25},
        choices={"noise": NOISES},
        per_image=True,
    ),
    Recipe(
        name="dropout",
        title="Dropout",
        statement="reconstruct the images from codes of which a random part is set to zero",
        source="Srivastava and others 2014 (JMLR 15, pages 1929 to 1958)",
        objective=dropout_objective,
        build=dropout_model,
        settings={"rate": 0.5},
        per_image=True,
    ),
)
