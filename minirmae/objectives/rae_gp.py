"""The regularised autoencoder whose decoder has a small derivative.

    loss = mean (x_hat - x)^2 + beta * mean_n |z_n|^2 / 2 + weight * mean_n ||dD(z)/dz||_F^2

The gradient penalty depends on the derivative of the decoder D at the codes of
the images; its own gradient is of second order, by a tangent pass, and reaches
the encoder too, because it changes with z. The defaults are the authors'
numbers for MNIST; how their normalisation differs is on the page.
"""

from __future__ import annotations

import numpy as np

from minirmae.arrays import Array
from minirmae.models.autoencoder import Autoencoder
from minirmae.objectives.jacobian import squared_jacobian
from minirmae.objectives.objective import Objective, ObjectiveBackward
from minirmae.objectives.rae import SOURCE, embedding
from minirmae.objectives.recipe import Recipe, Settings
from minirmae.objectives.setting import require_range
from minirmae.ops import mean_squared_error


def small_derivative(settings: Settings) -> Objective:
    """The objective for complete settings; raises ValueError for a negative one.

    With `probes = 0` the norm is exact, at the price of one tangent for each entry of the code.
    """
    beta, weight, probes = settings["beta"], settings["weight"], settings["probes"]
    for name, value in settings.items():
        require_range("rae-gp", name, value, 0)

    def objective(model: Autoencoder, x: Array, rng: np.random.Generator | None) -> tuple[Array, ObjectiveBackward]:
        h, encoder_backward = model.encoder(x, rng)
        z, bottleneck_backward = model.bottleneck(h, rng)
        (x_hat, norm), decoder_backward = squared_jacobian([model.decoder], z, probes, rng)
        error, error_backward = mean_squared_error(x_hat, x)
        length, length_backward = embedding(z)

        def backward() -> None:
            dz = decoder_backward(error_backward(), weight) + length_backward(beta)
            encoder_backward(bottleneck_backward(dz))

        return error + beta * length + weight * norm, backward

    return objective


RECIPE = Recipe(
    name="rae-gp",
    title="RAE-GP",
    statement="reconstruct the images from short codes, with a decoder of small derivative",
    source=SOURCE,
    objective=small_derivative,
    settings={"beta": 1e-4, "weight": 5e-8, "probes": 1},
    per_image=True,
)
