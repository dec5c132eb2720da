"""The VAE that the authors of IRMAE compare with, in their normalisation.

    loss = mean over pixels of the cross-entropy + weight * mean over codes of (mu^2 + exp(v) - 1 - v)

Both terms are means over entries instead of sums for each image, and the
divergence lacks its 1/2. For D pixels and n code entries, D times this loss is
the beta-VAE with `beta = 2 D weight / n`.
"""

from __future__ import annotations

import numpy as np

from minirmae.arrays import Array
from minirmae.models.autoencoder import Autoencoder
from minirmae.objectives.evidence import terms, variational_model
from minirmae.objectives.objective import Objective, ObjectiveBackward
from minirmae.objectives.recipe import Recipe, Settings
from minirmae.objectives.setting import require_range


def irmae_baseline(settings: Settings) -> Objective:
    """The objective for complete settings; raises ValueError for a negative weight."""
    require_range("vae-irmae", "weight", settings["weight"], 0)

    def objective(model: Autoencoder, x: Array, rng: np.random.Generator | None) -> tuple[Array, ObjectiveBackward]:
        reconstruction, divergence, terms_backward = terms(model, x, rng)
        n = model.bottleneck.output_shape(())[0]
        per_pixel, per_entry = 1 / x[0].size, settings["weight"] * 2 / n

        def backward() -> None:
            terms_backward(per_pixel, per_entry)

        return per_pixel * reconstruction + per_entry * divergence, backward

    return objective


RECIPE = Recipe(
    name="vae-irmae",
    title="VAE (IRMAE's)",
    statement="the VAE as the authors of IRMAE normalise it: means over pixels and code entries",
    source="Jing, Zbontar, LeCun 2020 (arXiv 2010.00679), public code",
    objective=irmae_baseline,
    build=variational_model,
    settings={"weight": 0.1},
    per_image=True,
)
