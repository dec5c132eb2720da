"""The L2 baseline: reconstruct, with a penalty on the squares of the code.

    loss = mean (x_hat - x)^2 + weight * mean z^2

Both means are over all entries, of the images and of the codes. One of the
explicit regularisers that IRMAE is compared with (Jing, Zbontar, LeCun 2020,
figure 2). The paper prints no weight; the default is this library's.
"""

from __future__ import annotations

from minirmae.backend import Array
from minirmae.objectives.code_penalty import reconstruction_with_penalty
from minirmae.objectives.objective import Objective
from minirmae.objectives.recipe import Recipe, Settings
from minirmae.objectives.setting import require_range
from minirmae.ops.losses import LossBackward
from minirmae.validation import require_float


def mean_square(z: Array) -> tuple[Array, LossBackward]:
    """Mean of z^2 over all entries of `z`, any shape, and its backward `dloss -> dz`.

    The derivative per entry is `2 z / entries`. Raises TypeError if `z` is not floating.

    >>> import numpy as np
    >>> value, backward = mean_square(np.array([3.0, -1.0]))
    >>> float(value), backward()
    (5.0, array([ 3., -1.]))
    """
    require_float("mean_square", z=z)

    def backward(dloss: float = 1.0) -> Array:
        return z * (dloss * 2 / z.size)

    return (z * z).mean(), backward


def l2_objective(settings: Settings) -> Objective:
    """The objective for complete settings; raises ValueError for a negative weight."""
    require_range("l2", "weight", settings["weight"], 0)
    return reconstruction_with_penalty(mean_square, settings["weight"])


RECIPE = Recipe(
    name="l2",
    title="AE + L2",
    statement="reconstruct the images, with a penalty on the squares of the codes",
    source="Jing, Zbontar, LeCun 2020 (arXiv 2010.00679), figure 2",
    objective=l2_objective,
    settings={"weight": 1e-3},
    per_image=True,
)
