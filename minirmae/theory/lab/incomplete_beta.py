"""The integral of q^(p-1) / (1 - q) over q, for any power p, and its inverse: the clock of a deep mode.

It is an incomplete beta function, B(q; p, 0), up to a constant, and q is given
by its logit z = ln(q/(1 - q)), which resolves both ends of (0, 1). Below
q = 1/2 the geometric series of 1/(1 - q) is integrated term by term; above,
the binomial series of (1 - w)^(p-1), w = 1 - q. Both terms fall like 2^-k,
and a constant joins the two at the middle. No special functions are needed.

As a function of z the slope of the integral is just q^p: it is concave where
p <= 0 and convex where p > 0, and Halley's iteration inverts it in a few steps.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from minirmae.arrays import Array

_K = np.arange(1.0, 65.0)


def beta_integral(p: float, z: Array) -> Array:
    """Return the integral of `q^(p-1) / (1 - q)` at `q = 1/(1 + exp(-z))`, up to a constant that depends on p.

    Args:
        p: power, at least -1. For p > 0 the integral starts at 0, where it vanishes.
        z: (n,), logits of q, at least -700: q^p must be a number.

    >>> z = np.array([-3.0, 0.0, 3.0])
    >>> np.diff(beta_integral(0.0, z)).round(12)    # the integral of 1/(q (1 - q)) is the logit itself
    array([3., 3.])
    """
    log_q, log_w = _logs(z)
    coefficients, _, join = _series(p)
    low, high = coefficients @ _powers(np.exp(np.minimum(log_q, log_w)))
    return np.where(z <= 0, _lead(p, log_q) + np.exp(p * log_q) * low, join - log_w - high)


def beta_integral_inverse(p: float, value: Array) -> Array:
    """Return the logits z (n,) at which `beta_integral(p, z)` has the values given, positive if p > 0.

    >>> z = np.array([-30.0, -1.0, 0.0, 2.0, 90.0])
    >>> beta_integral_inverse(-0.5, beta_integral(-0.5, z)).round(9)
    array([-30.,  -1.,   0.,   2.,  90.])
    """
    _, middle, _ = _series(p)
    # The first term of the series inverted, the others replaced by their largest value (p <= 0) or
    # smallest (p > 0): a start on the side of the root from which the iteration is monotone.
    if p > 0:
        log_q = np.log(np.minimum(p * np.minimum(value, middle), 0.5**p)) / p
    else:
        lead = np.minimum(value, middle) - middle + float(_power(p, np.log(0.5)))
        log_q = np.log1p(p * lead) / p if p < 0 else lead
    z = log_q - np.log(-np.expm1(log_q)) + 2**p * np.maximum(value - middle, 0)
    for _ in range(60):
        log_q, _ = _logs(z)
        newton = (value - beta_integral(p, z)) * np.exp(-p * log_q)
        # Second over first derivative is p (1 - q).
        step = newton / np.maximum(1 + newton * (p / 2) * -np.expm1(log_q), 0.5)
        z = z + step
        if np.abs(step).max(initial=0) < 1e-5:  # convergence is cubic: the next step would be rounding
            break
    return z


@cache
def _series(p: float) -> tuple[Array, float, float]:
    """Coefficients (2, k) of q^(p+k) below the middle and w^k above, the integral there, the constant that joins."""
    low = np.append(0.0, 1 / (p + _K[1:]))  # q^p and q^(p+1) are in _lead
    high = np.cumprod((_K - p) / _K) / _K
    half = 0.5**_K
    middle = float(_lead(p, np.log(0.5))) + 0.5**p * float(half @ low)
    return np.stack([low, high]), middle, middle - np.log(2) + float(half @ high)


def _logs(z: Array) -> tuple[Array, Array]:
    """ln q and ln(1 - q) at the logits z."""
    correction = np.log1p(np.exp(-np.abs(z)))
    return np.minimum(z, 0) - correction, np.minimum(-z, 0) - correction


def _powers(x: Array) -> Array:
    """The powers x^k, k = 1..64, as (64, n): by doubling, six products instead of 63."""
    powers = np.empty((_K.size, x.size))
    powers[0] = x
    done = 1
    while done < len(powers):
        np.multiply(powers[:done], powers[done - 1], out=powers[done : 2 * done])
        done *= 2
    return powers


def _lead(p: float, log_q: Array) -> Array:
    """The first two terms of the series, integrals of q^(p-1) and q^p."""
    if p > 0:
        return np.exp(p * log_q) / p + np.exp((p + 1) * log_q) / (p + 1)
    return _power(p, log_q) + _power(p + 1, log_q)


def _power(p: float, log_q: Array) -> Array:
    """Integral of q^(p-1) from 1: (q^p - 1)/p, or ln q at p = 0."""
    return np.expm1(p * log_q) / p if p else log_q
