"""The rank reduction autoencoder: decode only the k largest singular values of a batch of codes.

    H = U S V',      Z = U_k S_k V_k',      loss = mean (x_hat(Z) - x)^2

H (N, n) are the codes of a batch (Mounayer and others 2024, arXiv 2405.13980). The
rank of Z is at most k by construction, whatever n.

Evaluation must not depend on the batch, so it projects codes on one basis of the
whole training: `Z = H B B'`. The authors take it from an SVD of the bases of many
batches side by side, that is, from the eigenvectors of the mean of their projectors
`V_k V_k'`. Here that mean is a moving average, which `update` keeps in the model.
Before the first step there is none, and codes are not changed.

The gradient passes through the SVD. Its derivative is usually written with the
differences of all pairs of singular values in denominators, although those among the
kept values cancel, and so do those among the dropped: only gaps between a kept and a
dropped value remain. Express a change dH in the singular vectors, `E = U' dH V`; i runs
over kept values, j over dropped ones. First-order perturbation turns the kept vectors
towards the dropped ones, `du_i = sum_j u_j (s_i E_ji + s_j E_ij) / (s_i^2 - s_j^2)`,
`dv_i` likewise with i and j of E swapped, so that `dZ = U F V'` with

    F_ii' = E_ii',    F_jj' = 0,    F_ji = E_ji + c (s_j E_ji + s_i E_ij),
    c = s_j / (s_i^2 - s_j^2),      F_ij = E_ij + c (s_j E_ij + s_i E_ji).

E to F is symmetric, since Z is itself the gradient of `sum s_i^2 / 2` over the kept
values, so the backward is the same map, applied to the gradient at Z.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minirmae.arrays import Array, array_module
from minirmae.layers import Backward, Layer
from minirmae.models.autoencoder import Autoencoder, ModelConfig, build
from minirmae.objectives.objective import Objective, ObjectiveBackward, Update
from minirmae.objectives.recipe import Recipe, Settings, require_setting
from minirmae.ops import linear, mean_squared_error
from minirmae.ops.entrywise import ArrayBackward
from minirmae.validation import require_cotangent, require_ndim, require_positive_int, require_range


def truncated_svd(Z: Array, k: int) -> tuple[Array, ArrayBackward]:
    """Best approximation of rank at most k: `Y = U_k S_k V_k'`, and `backward(dY) -> dZ`.

    Args:
        Z: (N, n), real.
        k: the number of singular values to keep; with min(N, n) or more, Y is Z.

    Where a dropped value equals a kept one, up to rounding, Y jumps and has no derivative. For
    such a pair c is set to 0, as if the dropped value were 0: finite, and its norm is at most that of dY.

    Raises TypeError unless `Z` holds real floats (an SVD has no complex step), ValueError
    unless it is a matrix and k positive.

    >>> Y, backward = truncated_svd(np.diag([3.0, 3.0, 1.0]), 2)
    >>> Y.diagonal(), backward(np.eye(3)).diagonal()
    (array([3., 3., 0.]), array([1., 1., 0.]))
    """
    require_ndim("truncated_svd", "Z", Z, 2, "(batch, code)")
    require_positive_int("truncated_svd", k=k)
    if Z.dtype.kind != "f":
        raise TypeError(f"truncated_svd: Z must hold real floats, got {Z.dtype}")
    xp = array_module(Z)
    U, s, Vt = xp.linalg.svd(Z, full_matrices=False)
    U1, s1, Vt1, U2, s2, Vt2 = U[:, :k], s[:k], Vt[:k], U[:, k:], s[k:], Vt[k:]
    Y = (U1 * s1) @ Vt1 if len(s2) else Z.copy()
    gap = s1[:, None] - s2
    apart = gap > s[:1] * max(Z.shape) * xp.finfo(s.dtype).eps
    c = xp.where(apart, s2 / xp.where(apart, gap * (s1[:, None] + s2), 1), 0)

    def backward(dY: Array) -> Array:
        require_cotangent("truncated_svd backward", dY, Y)
        if not len(s2):
            return dY.copy()
        left, right = U1.T @ dY, dY @ Vt1.T
        # Everything that touches a kept vector, as if all dropped values were 0 ...
        dZ = U1 @ left + (right - U1 @ (left @ Vt1.T)) @ Vt1
        # ... and the contributions of the dropped ones: E_ij and E_ji, both laid out as (kept, dropped).
        Eij, Eji = left @ Vt2.T, (U2.T @ right).T
        dZ += U1 @ (c * (s2 * Eij + s1[:, None] * Eji)) @ Vt2
        dZ += U2 @ (c * (s2 * Eji + s1[:, None] * Eij)).T @ Vt1
        return dZ

    return Y, backward


class RankReduction(Layer):
    """Codes (N, n) cut to rank k: with an rng by the SVD of the batch, without one by the stored basis.

    Args:
        n: width of the code.
        k: rank; with n or more the codes do not change.
        decay: of the moving average of the batches' projectors.
    """

    def __init__(self, n: int, k: int, decay: float, dtype: Any = np.float32) -> None:
        super().__init__(fixed={"projector": np.zeros((n, n), dtype)})
        self.k, self.decay = k, decay

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        if rng is not None:
            return truncated_svd(x, self.k)
        # The projection is symmetric, so its backward is the same map.
        z, op_backward = linear(x, self.projection().astype(x.dtype))
        return z, lambda dz: op_backward(dz)[0]

    def projection(self) -> Array:
        """`B B'` (n, n), B the k leading eigenvectors of the mean projector; the identity while that is zero."""
        mean = self.parameters["projector"].value.real
        xp = array_module(mean)
        if not mean.any():
            return xp.eye(len(mean), dtype=mean.dtype)
        basis = xp.linalg.eigh(mean)[1][:, -self.k :]
        return basis @ basis.T

    def remember(self, h: Array) -> None:
        """Add the leading right singular vectors of a batch of codes `h` (N, n) to the mean projector."""
        basis = array_module(h).linalg.svd(h, full_matrices=False)[2][: self.k]
        mean = self.parameters["projector"].value
        mean *= self.decay
        mean += (1 - self.decay) * (basis.T @ basis)


def rank_reduction(model: Autoencoder, x: Array, rng: np.random.Generator | None) -> tuple[Array, ObjectiveBackward]:
    """Mean squared error of images `x` decoded from codes of rank k; `update` adds the batch to the stored basis.

    Raises TypeError unless the model's bottleneck is a `RankReduction`.
    """
    bottleneck = model.bottleneck
    if not isinstance(bottleneck, RankReduction):
        raise TypeError(f"rank_reduction: the bottleneck must be a RankReduction, got {type(bottleneck).__name__}")
    h, encoder_backward = model.encoder(x, rng)
    z, bottleneck_backward = bottleneck(h, rng)
    x_hat, decoder_backward = model.decoder(z, rng)
    loss, loss_backward = mean_squared_error(x_hat, x)

    def update() -> None:
        bottleneck.remember(h)

    def backward() -> Update:
        encoder_backward(bottleneck_backward(decoder_backward(loss_backward())))
        return update

    return loss, backward


def rrae_objective(settings: Settings) -> Objective:
    """The objective for complete settings; raises ValueError for one out of range."""
    require_setting("rrae", "rank", settings["rank"], 1)
    require_range("objective rrae", "decay", settings["decay"], 0, 1)
    return rank_reduction


def rrae_model(config: ModelConfig, settings: Settings, rng: np.random.Generator, dtype: Any) -> Autoencoder:
    """The preset with the truncated SVD between encoder and decoder; raises ValueError if there are linear layers."""
    n, k, decay = config.latent, settings["rank"], settings["decay"]
    return build(config, rng, dtype, bottleneck=lambda rng: RankReduction(n, k, decay, dtype))


RECIPES = (
    Recipe(
        name="rrae",
        title="RRAE",
        statement="reconstruct the images from codes that are cut to rank k within each batch",
        source="Mounayer and others 2024 (arXiv 2405.13980)",
        objective=rrae_objective,
        build=rrae_model,
        settings={"rank": 16, "decay": 0.99},
    ),
)
