"""The rank reduction autoencoder: decode only the k largest singular values of a batch of codes.

    H = U S V',      Z = U_k S_k V_k',      loss = mean (x_hat(Z) - x)^2

H (N, n) are the codes of a batch (Mounayer and others 2024, arXiv 2405.13980). The
rank of Z is k by construction, whatever n. The gradient goes through the SVD:
`truncated_svd.py`.

One image has no batch to share a basis with, so evaluation projects codes on
one basis of the whole training: `Z = H B B'`. The authors take it from an SVD of
the bases of many batches side by side, that is, from the eigenvectors of the
mean of their projectors `V_k V_k'`. Here that mean is a moving average, kept up
by `update` in the model. Before the first step there is none, and codes pass as they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minirmae.arrays import Array, array_module
from minirmae.layers import Backward, Layer
from minirmae.models.autoencoder import Autoencoder, ModelConfig, build
from minirmae.objectives.objective import Objective, ObjectiveBackward, Update
from minirmae.objectives.recipe import Recipe, Settings
from minirmae.objectives.setting import require_range
from minirmae.objectives.truncated_svd import truncated_svd
from minirmae.ops import linear, mean_squared_error


class RankReduction(Layer):
    """Codes (N, n) cut to rank k: by the SVD of the batch with an rng, without one by the stored basis.

    Args:
        n: width of the code.
        k: rank; n or more cuts nothing.
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
        """`B B'` (n, n), B the k leading eigenvectors of the mean projector; the identity while there is none."""
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
    require_range("rrae", "rank", settings["rank"], 1)
    if not 0 <= settings["decay"] < 1:
        raise ValueError(f"objective rrae: decay must be at least 0 and below 1, got {settings['decay']!r}")
    return rank_reduction


def rrae_model(config: ModelConfig, settings: Settings, rng: np.random.Generator, dtype: Any) -> Autoencoder:
    """The preset with the truncated SVD between its ends; raises ValueError if there are linear layers."""
    n, k, decay = config.latent, settings["rank"], settings["decay"]
    return build(config, rng, dtype, bottleneck=lambda rng: RankReduction(n, k, decay, dtype))


RECIPE = Recipe(
    name="rrae",
    title="RRAE",
    statement="reconstruct the images from codes that are cut to rank k within each batch",
    source="Mounayer and others 2024 (arXiv 2405.13980)",
    objective=rrae_objective,
    build=rrae_model,
    settings={"rank": 16, "decay": 0.99},
)
