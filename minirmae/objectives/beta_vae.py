"""The beta-VAE: a VAE that pays beta times as much for its code.

    loss = -E log p(x|z) + beta KL(q(z|x) || N(0, I)),      nats for each image

(Higgins and others, ICLR 2017.) With beta = 1 it is the VAE. A larger beta
makes every nat of the code dearer, and entries that do not earn it go dark.
"""

from __future__ import annotations

import numpy as np

from minirmae.arrays import Array
from minirmae.models.autoencoder import Autoencoder
from minirmae.objectives.evidence import terms, variational_model
from minirmae.objectives.objective import Objective, ObjectiveBackward
from minirmae.objectives.recipe import Recipe, Settings
from minirmae.objectives.setting import require_range


def weighted_bound(settings: Settings) -> Objective:
    """The objective for complete settings; raises ValueError for a negative beta."""
    beta = settings["beta"]
    require_range("beta-vae", "beta", beta, 0)

    def objective(model: Autoencoder, x: Array, rng: np.random.Generator | None) -> tuple[Array, ObjectiveBackward]:
        reconstruction, divergence, terms_backward = terms(model, x, rng)

        def backward() -> None:
            terms_backward(1.0, beta)

        return reconstruction + beta * divergence, backward

    return objective


RECIPE = Recipe(
    name="beta-vae",
    title="beta-VAE",
    statement="the evidence bound with its divergence multiplied by beta",
    source="Higgins and others 2017 (ICLR)",
    objective=weighted_bound,
    build=variational_model,
    settings={"beta": 4.0},
    per_image=True,
)
