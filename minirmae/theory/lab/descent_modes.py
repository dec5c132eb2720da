"""Gradient descent on aligned modes: when each one jumps, and bounds on the step (T4).

Two balanced layers of strength a see `a <- a (1 + rate (sigma - lam a^2))`. In
`x = lam a^2/sigma` and `e = rate sigma` that is

    x+ = x (1 + e (1 - x))^2,    multiplier 1 - 2e at the fixed point x = 1,

so modes rise without overshooting iff e <= 1/2, and settle iff e < 1. For
e <= 1/2, x grows by a factor of at most (1 + e)^2 and its odds x/(1 - x) by at least
that, for `odds+/odds = (1 + e (1-x))^2 / (1 - 2ex - e^2 x (1-x))` increases in x
(its logarithmic derivative has the sign of 3e^2 + e^3 (1-x)). Hence a mode reaches
half of its final strength at a step between `ln(1/2x_0) / 2 ln(1+e)` and
`ln(1/x_0 - 1) / 2 ln(1+e)`, less than `ln 2 / 2 ln(1+e)` apart however small the start.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from minirmae.arrays import Array
from minirmae.validation import require_int


def phase_times(sigma: ArrayLike, rate: float = 0.0) -> Array:
    """Return the limits T_i of (time of the jump)/delta, of sigma's shape.

    Args:
        sigma: singular values of Syx, positive.
        rate: learning rate; 0 is gradient flow. Time is rate times steps.

    Raises ValueError unless sigma > 0 and 0 <= rate sigma < 1.

    >>> phase_times([2.0, 1.0]), phase_times([2.0, 1.0], rate=0.25).round(4)
    (array([0.5, 1. ]), array([0.6166, 1.1204]))
    """
    sigma_, e = _checked("phase_times", sigma, rate, 1.0, "settles only if rate sigma < 1")
    times: Array = 1 / sigma_ if rate == 0 else rate / np.log1p(e)
    return times


def jump_steps(start: ArrayLike, sigma: ArrayLike, lam: ArrayLike = 1.0, *, rate: float) -> tuple[Array, Array]:
    """Return bounds on the number of steps of gradient descent after which a mode has half of its final strength.

    Args:
        start: a_0 of both layers, positive, with `lam a_0^2 <= sigma/2`.
        sigma, lam: as in `two_layer_modes`, positive.
        rate: learning rate, positive.

    Returns (earliest, latest): the first k with `lam a_k^2 >= sigma/2` has `earliest <= k < latest + 1`.

    Raises ValueError if an argument is outside the theorem, `rate sigma > 1/2` included.

    >>> earliest, latest = jump_steps(1e-6, [2.0, 1.0], rate=0.1)
    >>> earliest.round(2), latest.round(2)
    (array([ 75.78, 141.32]), array([ 77.68, 144.95]))
    """
    where = "jump_steps"
    sigma_, e = _checked(where, sigma, rate, 0.5, "rises without overshooting only if rate sigma <= 1/2", closed=True)
    start_, lam_ = np.asarray(start, dtype=float), np.asarray(lam, dtype=float)
    if rate <= 0 or not ((start_ > 0) & (lam_ > 0)).all():
        raise ValueError(f"{where}: rate, start and lam must be positive")
    odds = np.log(sigma_) - np.log(lam_) - 2 * np.log(start_)  # ln 1/x_0, which may be far below the smallest float
    if (odds < np.log(2) * (1 - 1e-12)).any():
        raise ValueError(f"{where}: a mode starts above half of its final strength sigma/lam")
    pace = 2 * np.log1p(e)
    return (odds - np.log(2)) / pace, (odds + np.log1p(-np.exp(-odds))) / pace


def descent_modes(steps: int, start: ArrayLike, sigma: ArrayLike, lam: ArrayLike = 1.0, *, rate: float) -> Array:
    """Return the strengths a_k^2 of aligned balanced modes at every step of gradient descent, exactly.

    `a <- a (1 + rate (sigma - lam a^2))`: numbers instead of matrices, for any rate.

    Args:
        steps: number of updates.
        start, sigma, lam: a_0 of both layers and the moments; broadcast to the modes' shape.

    Returns (steps + 1, ...). Raises ValueError if `steps` is not an integer of at least 0.
    """
    require_int("descent_modes", "steps", steps, 0)
    a, sigma_, lam_ = np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in (start, sigma, lam)))
    path = np.empty((steps + 1, *a.shape))
    for k in range(steps + 1):
        path[k] = a * a
        a = a * (1 + rate * (sigma_ - lam_ * path[k]))
    return path


def _checked(
    where: str, sigma: ArrayLike, rate: float, limit: float, law: str, closed: bool = False
) -> tuple[Array, Array]:
    """sigma and e = rate sigma, refusing what is not positive or beyond the limit."""
    sigma_ = np.asarray(sigma, dtype=float)
    if not (sigma_ > 0).all():
        raise ValueError(f"{where}: sigma must be positive: a mode with sigma = 0 never jumps")
    e = rate * sigma_
    if not (rate >= 0 and ((e < limit) | (closed & (e == limit))).all()):
        raise ValueError(f"{where}: gradient descent {law}; got rate = {rate:g}, sigma up to {sigma_.max():g}")
    return sigma_, e
