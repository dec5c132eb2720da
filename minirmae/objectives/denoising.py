"""The denoising autoencoder: reconstruct the clean image from a corrupted one.

    loss = mean (x_hat(corrupt(x)) - x)^2

Masking is the corruption of Vincent, Larochelle, Bengio and Manzagol (2008);
Gaussian noise and salt and pepper are added in their longer paper (JMLR 2010).
The corrupted image is data: the gradient is that of plain reconstruction at
another input. Evaluation corrupts nothing.
"""

from __future__ import annotations

import numpy as np

from minirmae.arrays import Array, array_module
from minirmae.models.autoencoder import Autoencoder
from minirmae.objectives.objective import Objective, ObjectiveBackward
from minirmae.objectives.recipe import Recipe, Settings
from minirmae.objectives.setting import require_range
from minirmae.ops import mean_squared_error
from minirmae.validation import require_choice, require_float

NOISES = ("gaussian", "masking", "salt-and-pepper")


def corrupt(x: Array, noise: str, level: float, rng: np.random.Generator) -> Array:
    """Return a corrupted copy of images `x` (N, ...), same shape and dtype.

    Args:
        noise: "gaussian" adds normal noise of standard deviation `level`. The others
            choose, for each image, a part `level` of its entries (their number is
            rounded) without replacement: "masking" sets them to 0, "salt-and-pepper"
            to 0 or 1 by a fair coin.
        level: see above, in units of the pixels or as a part of 1.
        rng: source of the noise.

    Raises TypeError or ValueError for images that are not floating or an unknown noise.

    >>> rng = np.random.default_rng(0)
    >>> corrupt(np.full((2, 8), 0.5), "masking", 0.25, rng).sum(axis=1)
    array([3., 3.])
    """
    require_choice("corrupt", "noise", noise, NOISES)
    require_float("corrupt", x=x)
    xp, real = array_module(x), x.real.dtype
    if noise == "gaussian":
        return x + xp.asarray(np.asarray(level * rng.standard_normal(x.shape), dtype=real))
    # A random order of the entries of each image: the first ones are those to change.
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
        require_range("denoising", "level (of gaussian noise, a standard deviation)", level, 0)
    else:
        require_range("denoising", f"level (of {noise}, a part of the pixels)", level, 0, 1)
    return denoising(noise, level)


RECIPE = Recipe(
    name="denoising",
    title="Denoising AE",
    statement="reconstruct the clean images from corrupted ones",
    source="Vincent, Larochelle, Bengio, Manzagol 2008 (ICML)",
    objective=denoising_objective,
    settings={"noise": "masking", "level": 0.25},
    choices={"noise": NOISES},
    per_image=True,
)
