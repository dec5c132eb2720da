"""The contractive autoencoder: a penalty on the derivative of the code with respect to the image.

    loss = mean (x_hat - x)^2 + weight * mean_n ||dz/dx||_F^2

(Rifai, Vincent, Muller, Glorot, Bengio 2011.) The first mean is over all
entries, the second over the images. The paper sums the error over the pixels,
so its lambda is `weight` times their number; it chooses lambda by validation,
and the default here is lambda = 0.1 for images of a thousand pixels.

For one layer of sigmoids, `z = s(x W + b)`, the squared norm has the closed form
`sum_j (z_j (1 - z_j))^2 sum_i W_ij^2`. For a deep encoder there is none, but

    ||J||_F^2 = sum_k |J e_k|^2 = E |J u|^2,      E u u' = I,

and a tangent pass computes `J u` without forming J. The sum over the unit
vectors e_k is the exact norm. The mean over a few random directions u is an
unbiased estimate (Hutchinson 1990) that costs one pass per direction.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from minirmae.arrays import Array, array_module, asarray, device_of
from minirmae.layers import Layer
from minirmae.models.autoencoder import Autoencoder
from minirmae.objectives.objective import Objective, ObjectiveBackward
from minirmae.objectives.recipe import Recipe, Settings, require_setting
from minirmae.ops import mean_squared_error
from minirmae.tangents.layers import chain

JacobianBackward = Callable[[Array, Any], Array]

_EVALUATION_SEED = 0


def squared_jacobian(
    layers: Iterable[Layer], x: Array, probes: int, rng: np.random.Generator | None = None
) -> tuple[tuple[Array, Array], JacobianBackward]:
    """Output y of layers applied in sequence, and the mean over the batch of `||dy/dx||_F^2`.

    Args:
        layers: each has a tangent rule.
        x: a batch of inputs, shape (N, ...).
        probes: the number of random directions. With 0 the sum over all unit vectors is
            taken instead, with as many tangents of the batch as a sample of `x` has entries.
        rng: source of the probes and of the layers' noise. With None there is no noise,
            and the probes come from a generator with a fixed seed.

    Returns:
        (y, norm), and `backward(dy, dnorm) -> dx`, which adds to the parameters' gradients.

    Raises what `minirmae.tangents.layers.tangent` raises; ValueError if the batch is empty.

    With `t_k = J u_k` and the K directions weighted by w (1 for the exact sum, 1/K
    for probes), `norm = w / N sum_k |t_k|^2`, so `dt_k = 2 w / N t_k dnorm`; the
    tangent pass's backward does the rest. The directions are data.

    >>> from minirmae.layers import Linear
    >>> layer = Linear(3, 2, rng=np.random.default_rng(0), dtype=np.float64)
    >>> (y, norm), backward = squared_jacobian([layer], np.ones((4, 3)), probes=0)
    >>> W = layer.parameters["W"].value
    >>> bool(np.isclose(norm, (W * W).sum()))
    True
    """
    if len(x) == 0:
        raise ValueError("squared_jacobian: the batch is empty, so there is no mean")
    directions = unit_vectors(x) if probes == 0 else random_signs(x, probes, rng)
    (y, t), tangent_backward = chain(layers, x, directions, rng)
    weight = 1 / (len(x) * max(probes, 1))
    norm = (t * t).sum() * weight

    def backward(dy: Array, dnorm: Any = 1.0) -> Array:
        dx, _ = tangent_backward(dy, t * (2 * weight * dnorm))
        return dx

    return (y, norm), backward


def unit_vectors(x: Array) -> Array:
    """The unit vectors e_k of a sample of `x` (N, ...), each for the whole batch: shape (entries, N, ...)."""
    xp = array_module(x)
    entries, sample = math.prod(x.shape[1:]), x.shape[1:]
    basis = xp.eye(entries, dtype=x.dtype).reshape(entries, 1, *sample)
    return xp.broadcast_to(basis, (entries, *x.shape))


def random_signs(x: Array, count: int, rng: np.random.Generator | None) -> Array:
    """`count` directions of independent random signs for every sample of `x`, shape (count, *x.shape).

    Among independent entries, signs give the estimate of smallest variance.
    Without an rng they are always the same.
    """
    rng = np.random.default_rng(_EVALUATION_SEED) if rng is None else rng
    signs = 2 * rng.integers(0, 2, (count, *x.shape)) - 1
    return asarray(signs.astype(x.dtype), device_of(x))


def contraction(settings: Settings) -> Objective:
    """The objective for complete settings; raises ValueError for a negative weight or number of probes.

    With `probes = 0` the norm is exact, which is feasible for small images only.
    """
    weight, probes = settings["weight"], settings["probes"]
    require_setting("contractive", "weight", weight, 0)
    require_setting("contractive", "probes", probes, 0)

    def objective(model: Autoencoder, x: Array, rng: np.random.Generator | None) -> tuple[Array, ObjectiveBackward]:
        (z, norm), encoder_backward = squared_jacobian((model.encoder, model.bottleneck), x, probes, rng)
        x_hat, decoder_backward = model.decoder(z, rng)
        error, error_backward = mean_squared_error(x_hat, x)

        def backward() -> None:
            encoder_backward(decoder_backward(error_backward()), weight)

        return error + weight * norm, backward

    return objective


RECIPES = (
    Recipe(
        name="contractive",
        title="CAE",
        statement="reconstruct the images from a code whose derivative is small",
        source="Rifai, Vincent, Muller, Glorot, Bengio 2011 (ICML)",
        objective=contraction,
        settings={"weight": 1e-4, "probes": 1},
        per_image=True,
    ),
)
