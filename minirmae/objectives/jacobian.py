"""The size of a derivative as a penalty: the squared Frobenius norm of a Jacobian, exact or estimated.

    ||J||_F^2 = sum_k |J e_k|^2 = E |J u|^2,      E u u' = I

A tangent pass computes `J u` without ever forming J. Summed over the unit
vectors e_k it gives the norm exactly; averaged over a few random u it gives an
unbiased estimate (Hutchinson 1990), and costs one more pass for each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from minirmae.arrays import Array, array_module, asarray, device_of
from minirmae.layers import Layer
from minirmae.tangents.layers import chain

JacobianBackward = Callable[[Array, Any], Array]

_EVALUATION_SEED = 0


def squared_jacobian(
    layers: Iterable[Layer], x: Array, probes: int, rng: np.random.Generator | None = None
) -> tuple[tuple[Array, Array], JacobianBackward]:
    """Value of layers in a row and the mean over the batch of `||dy/dx||_F^2`.

    Args:
        layers: applied one after the other, each with a tangent rule.
        x: a batch of inputs, shape (N, ...).
        probes: the number of random directions; 0 sums over all unit vectors instead,
            and takes as many tangents of the batch as a sample of `x` has entries.
        rng: source of the probes and of the layers' noise; None evaluates without
            noise, and takes the probes from a generator of one fixed seed.

    Returns:
        (y, norm), and `backward(dy, dnorm) -> dx`, which adds into the parameters' gradients.

    Raises what `minirmae.tangents.layers.tangent` raises; ValueError if the batch is empty.

    With `t_k = J u_k` and the K directions weighted by w (1 for the exact sum, 1/K
    for probes), `norm = w / N sum_k |t_k|^2`, so `dt_k = 2 w / N t_k dnorm`; the
    tangent's backward does the rest. The directions are data.

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
    """`count` directions of independent signs for every sample of `x`, shape (count, *x.shape).

    Signs rather than normal numbers: their estimate has the smallest variance
    among those with independent entries. Without `rng` they are always the same.
    """
    rng = np.random.default_rng(_EVALUATION_SEED) if rng is None else rng
    signs = 2 * rng.integers(0, 2, (count, *x.shape)) - 1
    return asarray(signs.astype(x.dtype), device_of(x))
