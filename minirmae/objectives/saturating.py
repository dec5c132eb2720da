"""The saturating autoencoder: a code that is pushed to where its activation is flat.

    z = f(h),      loss = mean (x_hat - x)^2 + weight * mean_n sum_i f_c(h_ni)

(Goroshin and LeCun 2013, arXiv 1301.3577.) Where f is flat the code does not
move with the image. Reconstruction wants the code to move, and what remains is
that it moves along the data and nowhere else. `f_c` is the distance to the
nearest flat region (`saturation.py`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minirmae.arrays import Array, array_module
from minirmae.layers import Backward, Layer
from minirmae.models.autoencoder import Autoencoder, ModelConfig, build
from minirmae.objectives.objective import Objective, ObjectiveBackward
from minirmae.objectives.recipe import Recipe, Settings
from minirmae.objectives.saturation import ACTIVATIONS, activate, complement
from minirmae.objectives.setting import require_range
from minirmae.ops import mean_squared_error


class SaturatingCode(Layer):
    """The bottleneck `z = f(h)`; `activation` is one of `saturation.ACTIVATIONS`, `threshold` that of shrink."""

    def __init__(self, activation: str, threshold: float) -> None:
        super().__init__()
        self.activation, self.threshold = activation, threshold

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        return activate(x, self.activation, self.threshold)


def saturation(settings: Settings) -> Objective:
    """The objective for complete settings; raises ValueError for a negative weight or threshold."""
    activation, weight, threshold = settings["activation"], settings["weight"], settings["threshold"]
    require_range("saturating", "weight", weight, 0)
    require_range("saturating", "threshold", threshold, 0)

    def objective(model: Autoencoder, x: Array, rng: np.random.Generator | None) -> tuple[Array, ObjectiveBackward]:
        h, encoder_backward = model.encoder(x, rng)
        z, bottleneck_backward = model.bottleneck(h, rng)
        x_hat, decoder_backward = model.decoder(z, rng)
        error, error_backward = mean_squared_error(x_hat, x)
        distance, distance_backward = complement(h, activation, threshold)
        share = weight / len(h)

        def backward() -> None:
            dh = bottleneck_backward(decoder_backward(error_backward()))
            encoder_backward(dh + distance_backward(array_module(h).full_like(h, share)))

        return error + share * distance.sum(), backward

    return objective


def saturating_model(config: ModelConfig, settings: Settings, rng: np.random.Generator, dtype: Any) -> Autoencoder:
    """The preset with a saturating code between its ends; raises ValueError if there are linear layers."""
    code = SaturatingCode(settings["activation"], settings["threshold"])
    return build(config, rng, dtype, bottleneck=lambda rng: code)


RECIPE = Recipe(
    name="saturating",
    title="SATAE",
    statement="reconstruct the images from codes near the flat regions of their activation",
    source="Goroshin, LeCun 2013 (arXiv 1301.3577)",
    objective=saturation,
    build=saturating_model,
    settings={"activation": "relu", "weight": 1e-3, "threshold": 0.01},
    choices={"activation": ACTIVATIONS},
    per_image=True,
)
