"""The best linear code over noisy units of limited capacity, in closed form.

Data x of covariance S are coded by M units `u = x W`, each of variance 1, and
each is read with independent noise of variance 1/s: its signal-to-noise ratio is s
and its capacity `log2(1 + s) / 2` bits. The best linear decoder leaves the error

    E(W) = tr (S^-1 + s W W')^-1.

Doi, Balcan and Lewicki 2006 ("A theoretical analysis of robust coding over noisy
overcomplete channels", NIPS 18) ask for the W of least error. With S = sum
v_i e_i e_i', the power p_i = v_i |e_i' W|^2 that direction i gets sums to M, and
E is at least `sum v_i / (1 + s p_i)`, with equality if the directions do not mix.
Setting the derivatives in p_i equal gives `1 + s p_i` proportional to sqrt(v_i): the
K strongest directions that come out positive get power, and

    E = (sum_(i<=K) sqrt v_i)^2 / (K + s M) + sum_(i>K) v_i.

A rotation among the units changes neither E nor the total power, and some
rotation makes all variances 1, so the bound is reached for every M.
"""

from __future__ import annotations

import numpy as np

from minirmae.arrays import Array
from minirmae.measures.codes import require_matrix
from minirmae.validation import require_positive_int, require_shape


def signal_to_noise(bits: float) -> float:
    """Return the s whose capacity is `bits` a unit: 2^(2 bits) - 1. Raises ValueError unless `bits` is positive.

    >>> signal_to_noise(1.0)
    3.0
    """
    if not bits > 0:
        raise ValueError(f"signal_to_noise: bits must be positive, got {bits!r}")
    return float(4.0**bits - 1)


def optimal_error(variances: Array, units: int, snr: float) -> float:
    """Least expected squared error, summed over the entries of x, of any linear code.

    Args:
        variances: v, eigenvalues of the data's covariance, shape (D,), at least 0, in any order.
        units: M.
        snr: s of each unit.

    Raises ValueError if one is out of range.

    >>> optimal_error(np.array([1.0, 1.0]), units=4, snr=3.0)  # white: D / (1 + s M / D), a repetition code
    0.2857142857142857
    """
    return float((variances / (1 + snr * _powers(variances, units, snr))).sum())


def optimal_encoder(covariance: Array, units: int, snr: float) -> Array:
    """An encoder W (D, M) that reaches `optimal_error` with units of variance 1, for a `covariance` (D, D).

    Raises what `require_matrix` raises, and ValueError if a size is out of range.
    """
    covariance = _require_covariance("optimal_encoder", covariance)
    variances, directions = np.linalg.eigh(covariance)
    variances = np.maximum(variances, 0.0)
    powers = _powers(variances, units, snr)
    strongest = np.argsort(powers)[::-1][: min(units, len(powers))]
    outputs = np.zeros((units, len(strongest)))  # a unit a row; its entries are amplitudes along the directions
    outputs[np.arange(len(strongest)), np.arange(len(strongest))] = np.sqrt(powers[strongest])
    scale = np.sqrt(np.where(powers > 0, variances, 1.0))[strongest]
    W: Array = (directions[:, strongest] / scale) @ _equal_norms(outputs).T
    return W


def optimal_decoder(covariance: Array, W: Array, snr: float) -> Array:
    """The decoder A (M, D) of least error for an encoder W (D, M): `(W'SW + I/s)^-1 W'S`.

    Raises what `require_matrix` raises, and ValueError if the shapes do not fit.
    """
    covariance = _require_covariance("optimal_decoder", covariance)
    require_shape("optimal_decoder", "W", W, (len(covariance), W.shape[-1]))
    projected = covariance @ W
    A: Array = np.linalg.solve(W.T @ projected + np.eye(W.shape[1]) / snr, projected.T)
    return A


def expected_error(covariance: Array, W: Array, A: Array, snr: float) -> float:
    """Expected squared error, summed over the entries of x, of encoder W (D, M) and decoder A (M, D).

    With R = I - W A it is `tr R' S R + |A|^2 / s`: what the code misses, and the noise that is let through.
    """
    residual = np.eye(len(W)) - W @ A
    return float(np.sum((covariance @ residual) * residual) + np.sum(A * A) / snr)


def _powers(variances: Array, units: int, snr: float) -> Array:
    """How much of the M units' total variance the best code gives to each direction."""
    require_positive_int("robust coding", units=units)
    if variances.ndim != 1 or variances.size == 0 or not (np.isfinite(variances) & (variances >= 0)).all():
        raise ValueError(f"robust coding: variances must be finite and at least 0, shape (D,), got {variances}")
    if not (snr > 0 and variances.max() > 0):
        raise ValueError(f"robust coding: snr and some variance must be positive, got snr {snr}")
    order = np.argsort(variances)[::-1]
    roots = np.sqrt(variances[order])
    # The weakest of the directions in use must get some power; M units can carry no more than M directions.
    for used in range(min(units, int((roots > 0).sum())), 0, -1):
        powers = (roots[:used] * ((used + snr * units) / roots[:used].sum()) - 1) / snr
        if powers[-1] > 0:
            break
    result = np.zeros_like(variances)
    result[order[:used]] = powers
    return result


def _equal_norms(rows: Array) -> Array:
    """Rotate the rows (M, K) among each other, `Q rows` with Q orthogonal, until all have the same norm.

    Each step turns the shortest row against the longest until the shortest has the mean
    square; it is then left alone, so M - 1 steps do.
    """
    rows = rows.copy()
    target = (rows * rows).sum() / len(rows)
    free = list(range(len(rows)))
    while len(free) > 1:
        squares = (rows[free] ** 2).sum(axis=1)
        short, long = rows[free[int(squares.argmin())]], rows[free[int(squares.argmax())]]
        low, high, product = target - squares.min(), squares.max() - target, short @ long
        if high <= 0 or low < 0:
            break  # all are equal up to rounding
        # |cos a short + sin a long|^2 = target, solved for t = tan a.
        t = (-product + np.sqrt(product * product + high * low)) / high
        cosine, sine = 1 / np.hypot(1, t), t / np.hypot(1, t)
        short[...], long[...] = cosine * short + sine * long, cosine * long - sine * short
        free.pop(int(squares.argmin()))
    return rows


def _require_covariance(where: str, covariance: Array) -> Array:
    covariance = require_matrix(where, "covariance", covariance)
    require_shape(where, "covariance", covariance, (len(covariance), len(covariance)))
    return covariance
