"""Dropout on the code: reconstruct from a code of which a random part is missing.

    z = h * keep / (1 - rate),     keep_i = 1 with probability 1 - rate
    loss = mean (x_hat(z) - x)^2

No entry of the code can be relied on, so everything is stored several times
over. Evaluation drops nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minirmae.layers import Dropout
from minirmae.models.autoencoder import Autoencoder, ModelConfig, build
from minirmae.objectives.objective import Objective
from minirmae.objectives.plain import reconstruction
from minirmae.objectives.recipe import Recipe, Settings


def dropout_objective(settings: Settings) -> Objective:
    """Plain reconstruction: the noise is in the model. Raises ValueError for a rate outside [0, 1)."""
    Dropout(settings["rate"])
    return reconstruction


def dropout_model(config: ModelConfig, settings: Settings, rng: np.random.Generator, dtype: Any) -> Autoencoder:
    """The preset with dropout between encoder and decoder; raises ValueError if there are linear layers."""
    return build(config, rng, dtype, bottleneck=lambda rng: Dropout(settings["rate"]))


RECIPE = Recipe(
    name="dropout",
    title="Dropout",
    statement="reconstruct the images from codes of which a random part is set to zero",
    source="Srivastava and others 2014 (JMLR 15, pages 1929 to 1958)",
    objective=dropout_objective,
    build=dropout_model,
    settings={"rate": 0.5},
    per_image=True,
)
