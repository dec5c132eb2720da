"""The regularised autoencoder whose decoder cannot stretch.

    loss = mean (x_hat - x)^2 + beta * mean_n |z_n|^2 / 2

with every kernel of the decoder divided by its largest singular value
(`spectral_norm.py`). After each step of the optimiser `update` moves the
vectors of the power iteration once. The default is the authors' number for
MNIST; how their normalisation differs is on the page.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minirmae.arrays import Array
from minirmae.layers import Sequential
from minirmae.models.autoencoder import Autoencoder, ModelConfig, build
from minirmae.objectives.code_penalty import reconstruction_with_penalty
from minirmae.objectives.objective import Objective, ObjectiveBackward, Update
from minirmae.objectives.rae import SOURCE, embedding
from minirmae.objectives.recipe import Recipe, Settings
from minirmae.objectives.setting import require_range
from minirmae.objectives.spectral_norm import SpectralNorm, normalised


def bounded_layers(settings: Settings) -> Objective:
    """The objective for complete settings; raises ValueError for a negative one.

    The model's decoder must have `SpectralNorm` layers, as that of `normalised_model`;
    the objective raises ValueError if there are none.
    """
    require_range("rae-sn", "beta", settings["beta"], 0)
    priced = reconstruction_with_penalty(embedding, settings["beta"])

    def objective(model: Autoencoder, x: Array, rng: np.random.Generator | None) -> tuple[Array, ObjectiveBackward]:
        layers = list(normalised(model.decoder))
        if not layers:
            raise ValueError(
                "objective rae-sn: no layer of the decoder is a SpectralNorm; build it with normalised_model"
            )
        loss, priced_backward = priced(model, x, rng)

        def update() -> None:
            for layer in layers:
                layer.iterate()

        def backward() -> Update:
            priced_backward()
            return update

        return loss, backward

    return objective


def normalised_model(config: ModelConfig, settings: Settings, rng: np.random.Generator, dtype: Any) -> Autoencoder:
    """The preset with every layer of its decoder that has a kernel normalised."""
    model = build(config, rng, dtype)
    layers = model.decoder.children.values()
    decoder = Sequential(*(SpectralNorm(layer, rng=rng) if "W" in layer.parameters else layer for layer in layers))
    return Autoencoder(model.encoder, model.bottleneck, decoder)


RECIPE = Recipe(
    name="rae-sn",
    title="RAE-SN",
    statement="reconstruct the images from short codes, with a decoder of spectrally normalised layers",
    source=SOURCE,
    objective=bounded_layers,
    build=normalised_model,
    settings={"beta": 9e-3},
)
