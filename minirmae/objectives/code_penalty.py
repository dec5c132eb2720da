"""Reconstruct, and pay for the code: the shape that the L1 and L2 baselines share.

    loss = mean squared error + weight * penalty(z)

The code z receives two gradients, one through the decoder and one from the
penalty; their sum goes on into the linear layers and the encoder. The two
baselines are explicit regularisers that IRMAE is compared with (Jing, Zbontar,
LeCun 2020, figure 2). The paper prints no weight; the default is this library's.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minirmae.arrays import Array
from minirmae.models.autoencoder import Autoencoder
from minirmae.objectives.objective import Objective, ObjectiveBackward
from minirmae.objectives.recipe import Recipe, Settings
from minirmae.objectives.setting import require_range
from minirmae.ops import mean_squared_error
from minirmae.ops.losses import LossBackward

Penalty = Callable[[Array], tuple[Array, LossBackward]]
"""An op `penalty, backward = f(z)` of codes (N, n) whose value is one number."""


def reconstruction_with_penalty(penalty: Penalty, weight: float) -> Objective:
    """Return the objective `mean squared error + weight * penalty(z)`, z the codes after the linear layers."""

    def objective(model: Autoencoder, x: Array, rng: np.random.Generator | None) -> tuple[Array, ObjectiveBackward]:
        h, encoder_backward = model.encoder(x, rng)
        z, bottleneck_backward = model.bottleneck(h, rng)
        x_hat, decoder_backward = model.decoder(z, rng)
        error, error_backward = mean_squared_error(x_hat, x)
        price, price_backward = penalty(z)

        def backward() -> None:
            dz = decoder_backward(error_backward()) + price_backward(weight)
            encoder_backward(bottleneck_backward(dz))

        return error + weight * price, backward

    return objective


def baseline(name: str, title: str, penalised: str, penalty: Penalty) -> Recipe:
    """Return the recipe of a baseline, whose only setting is the weight of `penalty`, a mean of what is `penalised`."""

    def objective(settings: Settings) -> Objective:
        require_range(name, "weight", settings["weight"], 0)
        return reconstruction_with_penalty(penalty, settings["weight"])

    return Recipe(
        name=name,
        title=title,
        statement=f"reconstruct the images, with a penalty on the {penalised} of the codes",
        source="Jing, Zbontar, LeCun 2020 (arXiv 2010.00679), figure 2",
        objective=objective,
        settings={"weight": 1e-3},
        per_image=True,
    )
