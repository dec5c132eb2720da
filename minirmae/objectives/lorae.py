"""LoRAE: one linear layer, and a price on its nuclear norm.

    loss = mean (x_hat - x)^2 + weight * ||W||_*,      ||W||_* = sum of the singular values of W

(Mazumder and others, WACV 2024, arXiv 2310.16194.) What IRMAE leaves to the
dynamics of many linear layers is asked for explicitly of a single one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minirmae.arrays import Array, array_module
from minirmae.models.autoencoder import Autoencoder, ModelConfig, build
from minirmae.objectives.objective import Objective, ObjectiveBackward
from minirmae.objectives.plain import reconstruction
from minirmae.objectives.recipe import Recipe, Settings
from minirmae.objectives.setting import require_range
from minirmae.ops.losses import LossBackward
from minirmae.validation import require_ndim


def nuclear_norm(W: Array) -> tuple[Array, LossBackward]:
    """Sum of the singular values of `W` (m, n), and its backward `dloss -> dW`.

    With `W = U S V'`, a change dW moves singular value i by `u_i' dW v_i`, and the sum of
    them by `<U V', dW>`: the gradient is `U V'`. Single vectors are not unique where values
    repeat, but their sum of products is. A value of 0 is a kink; there it is left out,
    which is the subgradient of smallest norm.

    Raises TypeError unless `W` holds real floats (an SVD has no complex step), ValueError unless it is a matrix.

    >>> value, backward = nuclear_norm(np.diag([3.0, -2.0, 0.0]))
    >>> float(value.round(12)), np.abs(backward().diagonal()).round(12)
    (5.0, array([1., 1., 0.]))
    """
    require_ndim("nuclear_norm", "W", W, 2, "(rows, columns)")
    if W.dtype.kind != "f":
        raise TypeError(f"nuclear_norm: W must hold real floats, got {W.dtype}")
    xp = array_module(W)
    U, s, Vt = xp.linalg.svd(W, full_matrices=False)
    kept = s > s[0] * max(W.shape) * xp.finfo(s.dtype).eps

    def backward(dloss: float = 1.0) -> Array:
        return ((U * kept) @ Vt) * dloss

    return s.sum(), backward


def lorae_objective(settings: Settings) -> Objective:
    """The objective for complete settings; raises ValueError for a negative weight."""
    weight = settings["weight"]
    require_range("lorae", "weight", weight, 0)

    def objective(model: Autoencoder, x: Array, rng: np.random.Generator | None) -> tuple[Array, ObjectiveBackward]:
        W = model.bottleneck.parameters["W"]
        loss, loss_backward = reconstruction(model, x, rng)
        price, price_backward = nuclear_norm(W.value[0])

        def backward() -> None:
            loss_backward()
            W.grad[0] += price_backward(weight)

        return loss + weight * price, backward

    return objective


def lorae_model(config: ModelConfig, settings: Settings, rng: np.random.Generator, dtype: Any) -> Autoencoder:
    """The preset with its one linear layer; raises ValueError unless there is exactly one, and it is trained."""
    if config.linear_layers != 1 or config.variant != "linear":
        raise ValueError(
            "objective lorae: needs exactly one linear layer that is trained, "
            f"got linear_layers={config.linear_layers}, variant={config.variant}; "
            "leave both out, or for several layers use the objective plain or irmae-wd"
        )
    return build(config, rng, dtype)


RECIPE = Recipe(
    name="lorae",
    title="LoRAE",
    statement="reconstruct the images, with a penalty on the nuclear norm of one linear layer",
    source="Mazumder and others 2024 (WACV, arXiv 2310.16194)",
    objective=lorae_objective,
    build=lorae_model,
    settings={"weight": 1e-5},
    linear_layers=1,
    per_image=True,
)
