"""Optimality of a classifier in the norms of its spectrum: what linear convolutional networks are judged by.

For rows z_n = y_n x_n, minimising `sum_d |beta^_d|^(2/L)` subject to `z_n^T beta >= 1`, with the
unitary discrete Fourier transform, has the stationarity condition

    z^_d = c |beta^_d|^(2/L - 2) beta^_d   wherever beta^_d is not 0,   z = sum alpha_n z_n,

or, multiplied by the conjugate of beta^_d: every frequency's share of the margin
z^T beta is its share of the penalty. At L = 2 the problem is convex, and multipliers prove how good a classifier is.
"""

from __future__ import annotations

import numpy as np

from minirmae.arrays import Array
from minirmae.validation import require_int, require_ndim, require_shape


def fourier_margin_gap(beta: Array, multipliers: Array, Z: Array) -> float:
    """Return by how much `beta` can miss the largest margin in the l1 norm of the spectrum (L = 2), relative.

    Args:
        beta: (inputs,), of any length.
        multipliers: alpha (samples,), at least 0, not all 0.
        Z: (samples, inputs), rows y_n x_n.

    In the unitary transform `z^T beta <= max |z^_d| sum |beta^_d|`, so `max |z^_d| / sum alpha`
    bounds every margin; the gap compares it with `min z_n^T beta / sum |beta^_d|`.
    Infinite if beta separates nothing.

    Raises ValueError if shapes do not fit, or multipliers are negative or all zero.

    >>> abs(fourier_margin_gap(np.array([1.0, 1.0]), np.ones(2), np.array([[1.0, 1.0], [2.0, 0.0]]))) < 1e-12
    True
    """
    _require_multipliers("fourier_margin_gap", beta, multipliers, Z)
    smallest = float((Z @ beta).min())
    if smallest <= 0:
        return float("inf")
    bound = np.abs(_transform(multipliers @ Z)).max() / multipliers.sum()
    return float(np.abs(_transform(beta)).sum() * bound / smallest - 1)


def penalty_shares(beta: Array, depth: int) -> Array:
    """Return `|beta^_d|^(2/L)` over its sum, (inputs,): each frequency's share of the penalty of L layers.

    Raises ValueError if beta is zero or the depth not a positive integer.

    >>> penalty_shares(np.array([4.0, 2.0]), depth=2)   # spectrum proportional to 3, 1
    array([0.75, 0.25])
    """
    require_int("penalty_shares", "depth", depth, 1)
    size = np.abs(_transform(beta))
    if not size.any():
        raise ValueError("penalty_shares: beta is zero, which is no direction")
    powers: Array = (size / size.max()) ** (2 / depth)
    return powers / powers.sum()


def margin_shares(beta: Array, multipliers: Array, Z: Array) -> Array:
    """Return `|z^_d beta^_d| / z^T beta`, (inputs,): each frequency's share of the margin; z = sum alpha_n z_n.

    They add up to 1 if the phases of z^ and beta^ agree, and to more if not. A
    classifier is stationary for L layers if these are its `penalty_shares`.

    Arguments and errors as in `fourier_margin_gap`; ValueError too if z^T beta is not positive.
    """
    _require_multipliers("margin_shares", beta, multipliers, Z)
    z = multipliers @ Z
    if not z @ beta > 0:
        raise ValueError("margin_shares: z^T beta must be positive, but the classifier does not separate the data")
    shares: Array = np.abs(_transform(z) * _transform(beta)) / (z @ beta)
    return shares


def loss_shares(beta: Array, Z: Array) -> Array:
    """Return each sample's share of the exponential loss, (samples,): the multipliers, in the limit."""
    margins = Z @ beta
    weights: Array = np.exp(margins.min() - margins)
    return weights / weights.sum()


def _transform(x: Array) -> Array:
    return np.fft.fft(x, norm="ortho")


def _require_multipliers(where: str, beta: Array, multipliers: Array, Z: Array) -> None:
    require_ndim(where, "Z", Z, 2, "(samples, inputs)")
    require_shape(where, "beta", beta, (Z.shape[1],))
    require_shape(where, "multipliers", multipliers, (len(Z),))
    if not ((multipliers >= 0).all() and multipliers.sum() > 0):
        raise ValueError(f"{where}: multipliers must be at least 0 and not all 0, got {multipliers}")
