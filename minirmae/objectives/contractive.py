"""The contractive autoencoder: a code that hardly moves when the image does.

    loss = mean (x_hat - x)^2 + weight * mean_n ||dz/dx||_F^2

(Rifai, Vincent, Muller, Glorot, Bengio 2011.) The first mean is over all
entries, the second over the images. The paper sums the error over the pixels,
so its lambda is `weight` times their number; it chooses lambda by validation,
and the default here is lambda = 0.1 for images of a thousand pixels.

For one layer of sigmoids, `z = s(x W + b)`, the norm has the closed form
`sum_j (z_j (1 - z_j))^2 sum_i W_ij^2`. A deep encoder has none: its norm is
estimated with random directions, by a tangent pass.
"""

from __future__ import annotations

import numpy as np

from minirmae.arrays import Array
from minirmae.models.autoencoder import Autoencoder
from minirmae.objectives.jacobian import squared_jacobian
from minirmae.objectives.objective import Objective, ObjectiveBackward
from minirmae.objectives.recipe import Recipe, Settings
from minirmae.objectives.setting import require_range
from minirmae.ops import mean_squared_error


def contraction(settings: Settings) -> Objective:
    """The objective for complete settings; raises ValueError for a negative weight or number of probes.

    With `probes = 0` the norm is exact, which is for small images only.
    """
    weight, probes = settings["weight"], settings["probes"]
    require_range("contractive", "weight", weight, 0)
    require_range("contractive", "probes", probes, 0)

    def objective(model: Autoencoder, x: Array, rng: np.random.Generator | None) -> tuple[Array, ObjectiveBackward]:
        (z, norm), encoder_backward = squared_jacobian((model.encoder, model.bottleneck), x, probes, rng)
        x_hat, decoder_backward = model.decoder(z, rng)
        error, error_backward = mean_squared_error(x_hat, x)

        def backward() -> None:
            encoder_backward(decoder_backward(error_backward()), weight)

        return error + weight * norm, backward

    return objective


RECIPE = Recipe(
    name="contractive",
    title="CAE",
    statement="reconstruct the images from a code whose derivative is small",
    source="Rifai, Vincent, Muller, Glorot, Bengio 2011 (ICML)",
    objective=contraction,
    settings={"weight": 1e-4, "probes": 1},
    per_image=True,
)
