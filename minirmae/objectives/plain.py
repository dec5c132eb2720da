"""The plain objective: reconstruct the images.

With linear layers between encoder and decoder the model is IRMAE (Jing,
Zbontar, LeCun 2020); with none it is the plain autoencoder.
"""

from __future__ import annotations

import numpy as np

from minirmae.arrays import Array
from minirmae.layers import Layer
from minirmae.objectives.objective import ObjectiveBackward
from minirmae.objectives.recipe import Recipe
from minirmae.ops import mean_squared_error


def reconstruction(model: Layer, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, ObjectiveBackward]:
    """Mean squared error between `x` and what the model makes of it, over all entries."""
    x_hat, model_backward = model(x, rng)
    loss, loss_backward = mean_squared_error(x_hat, x)

    def backward() -> None:
        model_backward(loss_backward())

    return loss, backward


RECIPE = Recipe(
    name="plain",
    title="AE",
    statement="reconstruct the images; with linear layers this is IRMAE",
    source="Jing, Zbontar, LeCun 2020 (arXiv 2010.00679)",
    objective=lambda settings: reconstruction,
    linear_layers=None,
    per_image=True,
)
