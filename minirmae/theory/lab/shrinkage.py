"""One mode of a deep linear network under weight decay: its minima and, for two layers, its path.

Decay mu on N layers costs a mode of strength s at least `N s^(2/N)` in squared
weights, so what is minimised over s >= 0 is

    f(s) = lam s^2/2 - sigma s + (mu N/2) s^(2/N).

With x = lam s/sigma, q = 1 - 2/N and `m = (mu/lam) (sigma/lam)^(-1-q)` it is stationary where

    h(x) = x + m x^(-q) = 1.

N = 1 and N = 2 are elementary. For N >= 3, h is convex with its minimum at `x_c = (mq)^(1/(1+q))`:
either there are two roots, a barrier and beyond it a local minimum, or
none, and s = 0 is the only minimum. Newton's method decreases monotonically from
x = 1 to the larger root, and increases from `m^(1/q)` to the smaller.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from minirmae.arrays import Array
from minirmae.theory.lab.modes import mode_arguments
from minirmae.validation import require_positive_int


def schatten_penalty(singular_values: ArrayLike, depth: int) -> Array:
    """Return `N sum s^(2/N)` over the last axis: the least sum of |W_j|^2 over all N factors of a matrix.

    Raises ValueError unless the depth N is a positive integer and s >= 0.

    >>> float(schatten_penalty([4.0, 1.0], depth=1)), float(schatten_penalty([4.0, 1.0], depth=2))
    (17.0, 10.0)
    """
    require_positive_int("schatten_penalty", depth=depth)
    s = np.asarray(singular_values, dtype=float)
    if not (s >= 0).all():
        raise ValueError("schatten_penalty: singular values must be at least 0")
    penalty: Array = depth * (s ** (2 / depth)).sum(axis=-1)
    return penalty


def mode_objective(s: ArrayLike, sigma: ArrayLike, mu: ArrayLike, depth: int, lam: ArrayLike = 1.0) -> Array:
    """Return f(s), the loss of one mode relative to s = 0 (arguments broadcast, as in `shrink`)."""
    s_, sigma_, mu_, lam_ = _arguments("mode_objective", depth, s=s, sigma=sigma, mu=mu, lam=lam)
    value: Array = lam_ * s_**2 / 2 - sigma_ * s_ + mu_ * depth / 2 * s_ ** (2 / depth)
    return value


def shrink(sigma: ArrayLike, mu: ArrayLike, depth: int, lam: ArrayLike = 1.0) -> Array:
    """Return the global minimiser of f: the strength that the best regularised network gives a mode.

    Args:
        sigma: singular values of Syx, at least 0; sigma, mu and lam broadcast.
        mu: decay, at least 0: the loss contains `mu/2 sum |W_j|^2`.
        depth: N.
        lam: variances, positive. An autoencoder has sigma = lam.

    Raises ValueError if an argument is outside these ranges.

    >>> sigma = [0.5, 1.0, 2.0, 4.0]
    >>> for depth in (1, 2, 3): print(shrink(sigma, 0.5, depth).round(3))
    [0.333 0.667 1.333 2.667]
    [0.  0.5 1.5 3.5]
    [0.    0.    1.57  3.676]
    """
    sigma_, mu_, lam_ = _arguments("shrink", depth, sigma=sigma, mu=mu, lam=lam)
    _, selected = decay_thresholds(mu_, depth, lam_)
    # At the threshold itself both minima are global; zero is the simpler matrix.
    return np.where(sigma_ > selected, local_minimum(sigma_, mu_, depth, lam_), 0.0)


def local_minimum(sigma: ArrayLike, mu: ArrayLike, depth: int, lam: ArrayLike = 1.0) -> Array:
    """Return the largest stationary point of f, where a large start stops; 0 where zero is the only minimum.

    Arguments as in `shrink`, from which it differs for N >= 3 only, between the two `decay_thresholds`.
    """
    sigma_, mu_, lam_ = _arguments("local_minimum", depth, sigma=sigma, mu=mu, lam=lam)
    if depth == 1:
        return np.asarray(sigma_ / (lam_ + mu_))
    if depth == 2:
        return np.asarray(np.maximum(sigma_ - mu_, 0.0) / lam_)
    exists, m, q = _barrier(sigma_, mu_, lam_, depth)
    return np.where(exists, _newton(np.ones_like(m), m, q), 0.0) * sigma_ / lam_


def escape_strength(sigma: ArrayLike, mu: ArrayLike, depth: int, lam: ArrayLike = 1.0) -> Array:
    """Return the strength of each layer above which a balanced start escapes from zero; infinite if none does.

    Arguments as in `shrink`. It is 0 for N = 1, for N = 2 with sigma > mu, and without decay.
    """
    sigma_, mu_, lam_ = _arguments("escape_strength", depth, sigma=sigma, mu=mu, lam=lam)
    if depth <= 2:
        return np.where((sigma_ > mu_) | (depth == 1), 0.0, np.inf)
    exists, m, q = _barrier(sigma_, mu_, lam_, depth)
    barrier = _newton(m ** (1 / q), m, q) * sigma_ / lam_
    return np.where(exists, barrier ** (1 / depth), np.inf)


def decay_thresholds(mu: ArrayLike, depth: int, lam: ArrayLike = 1.0) -> tuple[Array, Array]:
    """Return the sigma above which a nonzero local minimum exists, and that above which it is the global one.

    Both are mu for N = 2 and 0 for N = 1. Arguments as in `shrink`.

    >>> exists, selected = decay_thresholds(0.5, depth=3)
    >>> exists.round(4), selected.round(4)
    (np.float64(1.0434), np.float64(1.1892))
    """
    mu_, lam_ = _arguments("decay_thresholds", depth, mu=mu, lam=lam)
    if depth <= 2:
        return (depth - 1) * mu_, (depth - 1) * mu_
    power, ratio = depth / (2 * depth - 2), mu_ / lam_
    exists = (2 * depth - 2) / (depth - 2) * (ratio * (1 - 2 / depth)) ** power
    selected = (depth - 1) / (depth - 2) * (ratio * (depth - 2)) ** power
    return lam_ * exists, lam_ * selected


def autoencoder_threshold(mu: ArrayLike, depth: int) -> Array:
    """Return the variance above which the best autoencoder of N layers keeps a mode: `decay_thresholds` at sigma = lam.

    >>> [round(float(autoencoder_threshold(0.1, depth)), 4) for depth in (1, 2, 3, 4)]
    [0.0, 0.1, 0.252, 0.3674]
    """
    (mu_,) = _arguments("autoencoder_threshold", depth, mu=mu)
    if depth <= 2:
        return (depth - 1) * mu_
    threshold: Array = mu_ * (depth - 2) * ((depth - 1) / (depth - 2)) ** (2 - 2 / depth)
    return threshold


def decayed_modes(t: ArrayLike, s0: ArrayLike, sigma: ArrayLike, mu: ArrayLike, lam: ArrayLike = 1.0) -> Array:
    """Return the strengths s(t) of two-layer modes under weight decay, from a balanced start.

    Args:
        t, s0, sigma, lam: as in `two_layer_modes`; shapes too.
        mu: decay, at least 0, broadcast with the modes.

    Raises ValueError if an argument is outside the theorem.

    With `r = sigma - mu` of either sign, `s = s_0 e / (1 + 2 lam s_0 I)`, e = exp(2rt), I its integral.

    >>> decayed_modes([0.0, 2.0, 50.0], s0=0.1, sigma=[0.2, 1.0], mu=0.5).round(4)
    array([[0.1   , 0.1   ],
           [0.0244, 0.3244],
           [0.    , 0.5   ]])
    """
    where = "decayed_modes"
    times, (start, mu_, sigma_, lam_) = mode_arguments(where, t, sigma, lam, s0, mu)
    if (start < 0).any() or (mu_ < 0).any():
        raise ValueError(f"{where}: a balanced start has s0 = a^2 >= 0, and decay mu >= 0")
    rate = 2 * abs(sigma_ - mu_)
    flat = rate == 0
    decayed = np.exp(-rate * times)
    integral = np.expm1(-rate * times) / -(rate + flat) + flat * times
    growing = sigma_ > mu_
    # Growth is divided through by exp(2rt), so that nothing overflows; s0 = 0 stays 0 there by the 1.
    above, below = np.where(growing, 1.0, decayed), np.where(growing, decayed + (start == 0), 1.0)
    strengths: Array = start * above / (below + 2 * lam_ * start * integral)
    return strengths


def _barrier(sigma: Array, mu: Array, lam: Array, depth: int) -> tuple[Array, Array, float]:
    """Whether the two roots exist, m (0 where they do not, which keeps Newton quiet), and q."""
    exists, _ = decay_thresholds(mu, depth, lam)
    q, two = 1 - 2 / depth, sigma > exists
    safe = np.where(two, sigma / lam, 1.0)
    return two, np.where(two, mu / lam * safe ** (-1 - q), 0.0), q


def _newton(x: Array, m: Array, q: float) -> Array:
    """Newton's method for x + m x^(-q) = 1, from a side on which it is monotone, to the last bit or two."""
    moving = (m > 0) & (x > 0)
    safe = np.where(moving, x, 1.0)
    for _ in range(100):  # where the two roots meet, a step only halves the distance
        power = m * safe**-q
        slope = 1 - q * power / safe
        step = np.divide(safe + power - 1, slope, out=np.zeros_like(safe), where=moving & (slope != 0))
        safe = safe - step
        if (abs(step) <= 2e-16 * safe).all():
            break
    return np.where(moving, safe, x)


def _arguments(where: str, depth: int, **named: ArrayLike) -> list[Array]:
    """The arguments as float arrays of one shape, refusing what the problem does not cover."""
    require_positive_int(where, depth=depth)
    arrays = list(np.broadcast_arrays(*(np.asarray(value, dtype=float) for value in named.values())))
    for name, array in zip(named, arrays, strict=True):
        if not (np.isfinite(array) & (array >= 0)).all():
            raise ValueError(f"{where}: {name} must be finite and at least 0, got {array.min():g}")
        if name == "lam" and not array.all():
            raise ValueError(f"{where}: lam must be positive: without variance nothing holds a mode's strength")
    return arrays
