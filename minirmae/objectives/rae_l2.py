"""The regularised autoencoder with small weights in its decoder.

    loss = mean (x_hat - x)^2 + beta * mean_n |z_n|^2 / 2 + weight * |theta|^2

where theta are all parameters of the decoder. The defaults are the authors'
numbers for MNIST; how their normalisation differs is on the page.
"""

from __future__ import annotations

import numpy as np

from minirmae.arrays import Array
from minirmae.models.autoencoder import Autoencoder
from minirmae.objectives.code_penalty import reconstruction_with_penalty
from minirmae.objectives.objective import Objective, ObjectiveBackward
from minirmae.objectives.rae import SOURCE, embedding
from minirmae.objectives.recipe import Recipe, Settings
from minirmae.objectives.setting import require_range


def small_weights(settings: Settings) -> Objective:
    """The objective for complete settings; raises ValueError for a negative one."""
    beta, weight = settings["beta"], settings["weight"]
    require_range("rae-l2", "beta", beta, 0)
    require_range("rae-l2", "weight", weight, 0)
    priced = reconstruction_with_penalty(embedding, beta)

    def objective(model: Autoencoder, x: Array, rng: np.random.Generator | None) -> tuple[Array, ObjectiveBackward]:
        loss, priced_backward = priced(model, x, rng)
        theta = model.decoder.values

        def backward() -> None:
            priced_backward()
            model.decoder.grads[...] += 2 * weight * theta

        return loss + weight * (theta @ theta), backward

    return objective


RECIPE = Recipe(
    name="rae-l2",
    title="RAE-L2",
    statement="reconstruct the images from short codes, with a decoder of small weights",
    source=SOURCE,
    objective=small_weights,
    settings={"beta": 1e-4, "weight": 1e-7},
    per_image=True,
)
