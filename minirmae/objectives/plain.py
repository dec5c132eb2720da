"""Reconstruction without further terms: the plain autoencoder, IRMAE, and IRMAE with weight decay.

    loss = mean (x_hat - x)^2

With linear layers between encoder and decoder the model is IRMAE (Jing,
Zbontar, LeCun 2020); without them it is the plain autoencoder.

IRMAE-WD (Zeng, Perez De Jesus, Fox and Graham 2023, arXiv 2305.01090, and their
public code) differs in training only: four linear layers and AdamW,

    w <- w - rate (Adam's direction + decay w).

Implicit regularisation finds the directions that matter. Decay removes those in
which the loss is flat, so the spectrum falls sharply at the dimension of the
data.
"""

from __future__ import annotations

import numpy as np

from minirmae.arrays import Array
from minirmae.layers import Layer
from minirmae.objectives.objective import ObjectiveBackward
from minirmae.objectives.recipe import Recipe
from minirmae.ops import mean_squared_error


def reconstruction(model: Layer, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, ObjectiveBackward]:
    """Mean squared error between `x` and the model's output, over all entries."""
    x_hat, model_backward = model(x, rng)
    loss, loss_backward = mean_squared_error(x_hat, x)

    def backward() -> None:
        model_backward(loss_backward())

    return loss, backward


RECIPES = (
    Recipe(
        name="plain",
        title="AE",
        statement="reconstruct the images; with linear layers this is IRMAE",
        source="Jing, Zbontar, LeCun 2020 (arXiv 2010.00679)",
        objective=lambda settings: reconstruction,
        linear_layers=None,
        per_image=True,
    ),
    Recipe(
        name="irmae-wd",
        title="IRMAE-WD",
        statement="IRMAE with decoupled weight decay",
        source="Zeng, Perez De Jesus, Fox, Graham 2023 (arXiv 2305.01090)",
        objective=lambda settings: reconstruction,
        linear_layers=4,
        training={"optimizer": "adamw", "learning_rate": 1e-3, "weight_decay": 1e-6},
        essential=("optimizer",),
        per_image=True,
    ),
)
