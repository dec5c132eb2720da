"""Reconstruction with a penalty on the code or on its rank: L1, L2 and LoRAE.

    l1:     loss = mean (x_hat - x)^2 + weight * mean |z|
    l2:     loss = mean (x_hat - x)^2 + weight * mean z^2
    lorae:  loss = mean (x_hat - x)^2 + weight * ||W||_*,    ||W||_* = sum of the singular values of W

All means are over all entries. These regularisers are explicit, that of IRMAE
is implicit. L1 and L2 on the code are the baselines of its paper (Jing, Zbontar,
LeCun 2020, figure 2), which states no weight; the default is this library's.
LoRAE (Mazumder and others, WACV 2024, arXiv 2310.16194) has a single linear
layer W and penalises its nuclear norm.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minirmae.arrays import Array, array_module
from minirmae.models.autoencoder import Autoencoder, ModelConfig, build
from minirmae.objectives.objective import Objective, ObjectiveBackward
from minirmae.objectives.plain import reconstruction
from minirmae.objectives.recipe import Recipe, Settings, require_setting
from minirmae.ops import mean_squared_error
from minirmae.ops.losses import LossBackward
from minirmae.validation import require_float, require_ndim

Penalty = Callable[[Array], tuple[Array, LossBackward]]
"""An op `penalty, backward = f(z)` of codes (N, n) whose value is one number."""


def mean_absolute(z: Array) -> tuple[Array, LossBackward]:
    """Mean of |z| over all entries of `z`, any shape, and its backward `dloss -> dz`.

    The derivative per entry is `sign(z) / entries`, with 0 at the kink `z = 0`.
    Raises TypeError if `z` is not floating.

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


def mean_square(z: Array) -> tuple[Array, LossBackward]:
    """Mean of z^2 over all entries of `z`, any shape, and its backward `dloss -> dz`.

    The derivative per entry is `2 z / entries`. Raises TypeError if `z` is not floating.

    >>> value, backward = mean_square(np.array([3.0, -1.0]))
    >>> float(value), backward()
    (5.0, array([ 3., -1.]))
    """
    require_float("mean_square", z=z)

    def backward(dloss: float = 1.0) -> Array:
        return z * (dloss * 2 / z.size)

    return (z * z).mean(), backward


def nuclear_norm(W: Array) -> tuple[Array, LossBackward]:
    """Sum of the singular values of `W` (m, n), and its backward `dloss -> dW`.

    With `W = U S V'`, a change dW changes singular value i by `u_i' dW v_i`, and their
    sum by `<U V', dW>`, so the gradient is `U V'`. The single vectors are not unique where
    values repeat, but the sum of their products is. The norm has a kink where a singular
    value is 0: its vectors are left out, which gives the subgradient of smallest norm.

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


def reconstruction_with_penalty(penalty: Penalty, weight: float) -> Objective:
    """Return the objective `mean squared error + weight * penalty(z)`, z the codes after the linear layers.

    The code receives two gradients, one through the decoder and one from the penalty.
    Their sum goes on into the linear layers and the encoder.
    """

    def objective(model: Autoencoder, x: Array, rng: np.random.Generator | None) -> tuple[Array, ObjectiveBackward]:
        h, encoder_backward = model.encoder(x, rng)
        z, bottleneck_backward = model.bottleneck(h, rng)
        x_hat, decoder_backward = model.decoder(z, rng)
        error, error_backward = mean_squared_error(x_hat, x)
        value, penalty_backward = penalty(z)

        def backward() -> None:
            dz = decoder_backward(error_backward()) + penalty_backward(weight)
            encoder_backward(bottleneck_backward(dz))

        return error + weight * value, backward

    return objective


def lorae_objective(settings: Settings) -> Objective:
    """The objective for complete settings; raises ValueError for a negative weight."""
    weight = settings["weight"]
    require_setting("lorae", "weight", weight, 0)

    def objective(model: Autoencoder, x: Array, rng: np.random.Generator | None) -> tuple[Array, ObjectiveBackward]:
        W = model.bottleneck.parameters["W"]
        loss, loss_backward = reconstruction(model, x, rng)
        norm, norm_backward = nuclear_norm(W.value[0])

        def backward() -> None:
            loss_backward()
            W.grad[0] += norm_backward(weight)

        return loss + weight * norm, backward

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


def _baseline(name: str, title: str, penalised: str, penalty: Penalty) -> Recipe:
    """The recipe of a baseline, whose only setting is the weight of `penalty`, a mean of what is `penalised`."""

    def objective(settings: Settings) -> Objective:
        require_setting(name, "weight", settings["weight"], 0)
        return reconstruction_with_penalty(penalty, settings["weight"])

    return Recipe(
        name=name,
        title=title,
        statement=f"reconstruct the images, with a penalty on the {penalised} of the codes",
        source="Jing, Zbontar, LeCun 2020 (arXiv 2010.00679), figure 2",
        objective=objective,
        settings={"weight": 1e-3},
        per_image=True,
    )


RECIPES = (
    _baseline("l1", "AE + L1", "absolute values", mean_absolute),
    _baseline("l2", "AE + L2", "squares", mean_square),
    Recipe(
        name="lorae",
        title="LoRAE",
        statement="reconstruct the images, with a penalty on the nuclear norm of one linear layer",
        source="Mazumder and others 2024 (WACV, arXiv 2310.16194)",
        objective=lorae_objective,
        build=lorae_model,
        settings={"weight": 1e-5},
        linear_layers=1,
        per_image=True,
    ),
)
