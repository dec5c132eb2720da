"""The L1 baseline: reconstruct, with a penalty on the absolute values of the code.

    loss = mean (x_hat - x)^2 + weight * mean |z|

Both means are over all entries, of the images and of the codes. One of the
explicit regularisers that IRMAE is compared with (Jing, Zbontar, LeCun 2020,
figure 2). The paper prints no weight; the default is this library's.
"""

from __future__ import annotations

from minirmae.backend import Array, array_module
from minirmae.objectives.code_penalty import reconstruction_with_penalty
from minirmae.objectives.objective import Objective
from minirmae.objectives.recipe import Recipe, Settings
from minirmae.objectives.setting import require_range
from minirmae.ops.losses import LossBackward
from minirmae.validation import require_float


def mean_absolute(z: Array) -> tuple[Array, LossBackward]:
    """Mean of |z| over all entries of `z`, any shape, and its backward `dloss -> dz`.

    The derivative per entry is `sign(z) / entries`, with 0 at the kink `z = 0`.
    Raises TypeError if `z` is not floating.

    >>> import numpy as np
    >>> value, backward = mean_absolute(np.array([3.0, 0.0, -1.0, 0.0]))
    >>> float(value), backward()
    (1.0, array([ 0.25,  0.  , -0.25,  0.  ]))
    """
    require_float("mean_absolute", z=z)
    # z sign(z) continues |z| analytically; abs would drop the imaginary part of a complex step.
    sign = array_module(z).sign(z.real)

    def backward(dloss: float = 1.0) -> Array:
        return (sign * (dloss / z.size)).astype(z.dtype)

    return (z * sign).mean(), backward


def l1_objective(settings: Settings) -> Objective:
    """The objective for complete settings; raises ValueError for a negative weight."""
    require_range("l1", "weight", settings["weight"], 0)
    return reconstruction_with_penalty(mean_absolute, settings["weight"])


RECIPE = Recipe(
    name="l1",
    title="AE + L1",
    statement="reconstruct the images, with a penalty on the absolute values of the codes",
    source="Jing, Zbontar, LeCun 2020 (arXiv 2010.00679), figure 2",
    objective=l1_objective,
    settings={"weight": 1e-3},
    per_image=True,
)
