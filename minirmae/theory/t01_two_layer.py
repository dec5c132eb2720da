"""T1. Two layers, mode by mode (Saxe, McClelland, Ganguli 2014; Saxe, McClelland, Ganguli 2019).

Hypotheses: a network y = W_2 W_1 x; the loss |Y - W_2 W_1 X|^2 / 2P (with the
1/2, mean over samples); gradient flow; one basis diagonalises both moments of
the data, Sxx = V diag(lam) V^T and Syx = U diag(sigma) V^T (see `lab/modes`); an
aligned start, W_1 = R diag(b) V^T and W_2 = U diag(a) R^T.

Statement: the network stays aligned, modes do not interact, and each
pair of strengths obeys

    a' = b (sigma - lam a b),    b' = a (sigma - lam a b),    c = a^2 - b^2 constant.

From a *balanced* start, a = b, the product s = a b is a logistic curve

    s' = 2 s (sigma - lam s),    s(t) = (sigma/lam) / (1 + (sigma/(lam s_0) - 1) exp(-2 sigma t)).

From any other start P = (a + b)^2 obeys a Riccati equation,

    P' = 2 sigma P + lam c^2 / 2 - lam P^2 / 2,

a linear fractional function of exp(-D t), D = sqrt(4 sigma^2 + lam^2 c^2), and
so does Q = (a - b)^2 with -sigma in place of sigma; s = (P - Q)/4. The
functions below are written so that no two nearly equal numbers are subtracted.

Time is that of the flow; one step of gradient descent with rate eta is a time eta.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minirmae.arrays import Array
from minirmae.optimizers import SGD
from minirmae.theory.lab import figures
from minirmae.theory.lab.modes import Modes, mode_arguments, random_modes
from minirmae.theory.lab.result import Check, compare, timed
from minirmae.theory.lab.simulation import flow_modes, train_modes

SIZES = ((4, 5, 4), (6, 4, 3), (5, 8, 8))
"""(inputs, hidden, outputs) of the checks, one for each seed."""

RATE = 0.01
"""Learning rate of the training runs; they are also run at half of it."""


def two_layer_modes(t: ArrayLike, s0: ArrayLike, sigma: ArrayLike, lam: ArrayLike = 1.0) -> Array:
    """Return the strengths s(t) of modes that start balanced.

    Args:
        t: times, any shape, at least 0.
        s0: initial strengths, at least 0; shape of the modes (s0, sigma and lam broadcast).
        sigma: singular values of Syx, at least 0.
        lam: variances of Sxx, at least 0, and positive where sigma is.

    Returns an array of shape `t.shape + modes.shape`.

    Raises ValueError, naming the hypothesis, if an argument is outside the theorem.

    Written as `s_0 / (e + lam s_0 (1 - e)/sigma)` with `e = exp(-2 sigma t)`, which
    covers sigma = 0, where `s = s_0 / (1 + 2 lam s_0 t)`, and s_0 = 0.

    >>> two_layer_modes([0.0, 1.0, 10.0], s0=0.01, sigma=2.0).round(4)
    array([0.01  , 0.4306, 2.    ])
    """
    where = "two_layer_modes"
    times, (start, sigma_, lam_) = mode_arguments(where, t, sigma, lam, s0)
    if (start < 0).any():
        raise ValueError(f"{where}: a balanced start has s0 = a^2 >= 0, got {start.min():g}; see two_layer_strengths")
    decayed = np.exp(-2 * sigma_ * times)
    # s0 = 0 stays 0; adding 1 keeps its 0/0 away when the exponential has underflowed.
    modes: Array = start / (decayed + (2 * lam_ * start) * _integral(2 * sigma_, times) + (start == 0))
    return modes


def two_layer_half_time(s0: ArrayLike, sigma: ArrayLike, lam: ArrayLike = 1.0) -> Array:
    """Return the time `ln(sigma/(lam s_0) - 1) / (2 sigma)` at which a balanced mode reaches half of sigma/lam.

    Arguments and shapes as in `two_layer_modes`. Raises ValueError unless
    sigma > 0, lam > 0 and s0 is positive and below half of the final strength.

    >>> float(two_layer_half_time(s0=1e-4, sigma=2.0).round(4))
    2.4759
    """
    start, sigma_, lam_ = np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in (s0, sigma, lam)))
    if not ((sigma_ > 0) & (lam_ > 0) & (start > 0) & (2 * lam_ * start <= sigma_)).all():
        raise ValueError(
            "two_layer_half_time: expected sigma > 0, lam > 0 and 0 < s0 <= sigma/(2 lam): "
            "a mode that is not learned, or starts above its half, has no half time"
        )
    half_time: Array = np.log(sigma_ / (lam_ * start) - 1) / (2 * sigma_)
    return half_time


def two_layer_strengths(
    t: ArrayLike, a0: ArrayLike, b0: ArrayLike, sigma: ArrayLike, lam: ArrayLike = 1.0
) -> tuple[Array, Array]:
    """Return the strengths a(t) of the second layer and b(t) of the first, from any aligned start.

    Arguments and shapes as in `two_layer_modes`; a0 and b0 may have any sign.
    Their product is the strength of the mode, and a^2 - b^2 never changes.

    >>> a, b = two_layer_strengths([0.0, 20.0], a0=1.5, b0=-0.5, sigma=1.0)
    >>> (a * b).round(9), (a**2 - b**2).round(9)
    (array([-0.75,  1.  ]), array([2., 2.]))
    """
    times, (a_, b_, sigma_, lam_) = mode_arguments("two_layer_strengths", t, sigma, lam, a0, b0)
    sum_, difference = a_ + b_, a_ - b_
    P0, Q0, lam_c = sum_**2, difference**2, lam_ * (sum_ * difference)
    D = np.hypot(2 * sigma_, lam_c)
    safe = D + (D == 0)
    # 1 + 2 sigma/D, and 1 - 2 sigma/D without subtracting; both are 1 where D = 0, and so is e.
    more = 1 + 2 * sigma_ / safe
    less = np.where(D > 0, lam_c / safe * (lam_c / (safe + 2 * sigma_)), 1.0)
    decayed, integral = np.exp(-D * times), _integral(D, times)
    falling, rising, gain = less + more * decayed, more + less * decayed, lam_c * (sum_ * difference) * integral
    # P0 = 0 stays 0; adding 1 keeps its 0/0 away when exp(-D t) has underflowed.
    P = (P0 * rising + gain) / (falling + (lam_ * P0) * integral + (P0 == 0))
    Q = (Q0 * falling + gain) / (rising + (lam_ * Q0) * integral)
    p, q = np.sign(sum_) / 2 * np.sqrt(P), np.sign(difference) / 2 * np.sqrt(Q)
    return p + q, p - q


def _integral(rate: Array, times: Array) -> Array:
    """Integral of exp(-rate u) over u from 0 to t: (1 - e)/rate, or t where the rate is 0."""
    if (rate > 0).all():
        return np.expm1(-rate * times) / -rate
    safe = np.where(rate > 0, rate, 1.0)
    return np.where(rate > 0, np.expm1(-safe * times) / -safe, times)


def check(seed: int = 0, quick: bool = False) -> list[Check]:
    """Compare the closed forms with the flow of whole matrices and with gradient descent on samples."""
    checks: list[Check] = []
    for offset, sizes in enumerate(SIZES[: 1 if quick else None]):
        rng = np.random.default_rng(seed + offset)
        modes = random_modes(rng, sizes[0], sizes[2])
        details: dict[str, Any] = {"seed": seed + offset, "note": "-".join(map(str, sizes)) + " network"}
        checks += _check_flows(modes, sizes[1], rng, details)
        checks.append(_check_descent(modes, sizes[1], rng, details))
    return checks


def _check_flows(modes: Modes, hidden: int, rng: np.random.Generator, details: dict[str, Any]) -> list[Check]:
    """Both closed forms against the flow: every mode at 61 times, and two exact properties of the flow itself."""
    r, times = len(modes.sigma), np.linspace(0.0, 12.0, 61)
    s0 = np.geomspace(1e-4, 1e-2, r)
    run, seconds = timed(lambda: flow_modes(modes, np.sqrt([s0, s0]), [hidden], times, rng))
    s, instant = timed(lambda: two_layer_modes(times, s0, modes.sigma, modes.lam), repeats=20)
    clock: dict[str, Any] = {"seconds": seconds, "speedup": seconds / instant}
    checks = [
        compare("balanced modes", s, run.strengths, 1e-9, **clock, **details),
        compare("modes stay apart", 0.0, run.coupling, 1e-12, **details),
        compare("energy identity of the flow", 0.0, run.path.energy_defect, 1e-9, **details),
    ]

    a0, b0 = rng.uniform(-1, 1, (2, r))
    run, seconds = timed(lambda: flow_modes(modes, np.array([b0, a0]), [hidden], times, rng))
    (a, b), instant = timed(lambda: two_layer_strengths(times, a0, b0, modes.sigma, modes.lam), repeats=20)
    clock = {"seconds": seconds, "speedup": seconds / instant}
    return [*checks, compare("unbalanced modes", a * b, run.strengths, 1e-9, **clock, **details)]


def _check_descent(modes: Modes, hidden: int, rng: np.random.Generator, details: dict[str, Any]) -> Check:
    """Gradient descent is first order in its rate: half the rate leaves half the distance to the flow."""
    s0 = np.full(len(modes.sigma), 1e-2)

    def distance(rate: float) -> float:
        run = train_modes(modes, np.sqrt([s0, s0]), [hidden], SGD(rate), round(4.0 / rate), rng)
        return float(np.abs(run.strengths - two_layer_modes(rate * run.path.times, s0, modes.sigma, modes.lam)).max())

    ratio, seconds = timed(lambda: distance(RATE) / distance(RATE / 2))
    return compare("SGD: distance to flow, rate over half rate", 2.0, ratio, 0.1, seconds=seconds, **details)


def figure(seed: int = 0) -> Any:
    """Draw balanced modes against gradient descent, and unbalanced ones against the flow."""
    rng = np.random.default_rng(seed)
    drawing, (left, right) = figures.new_figure(
        "Two layers: strong modes are learned first, each along its own closed form (lines: theory, points: training)",
        (
            "Balanced start, SGD with rate 0.005 on samples",
            r"time t = steps $\times$ rate",
            "mode strength s (output per input)",
        ),
        ("Same mode, same s(0) = 0.01, unbalanced starts", "time t of the flow", "mode strength s (output per input)"),
    )
    sigma, dense = np.array([2.0, 1.0, 0.5, 0.25]), np.linspace(0, 14, 400)
    modes = replace(random_modes(rng, 5, 4), sigma=sigma, lam=np.array([1.0, 1.0, 0.6, 0.5]))
    s0 = np.full(4, 1e-2)
    run = train_modes(modes, np.sqrt([s0, s0]), [6], SGD(0.005), 2800, rng, every=100)
    closed = two_layer_modes(dense, s0, sigma, modes.lam)
    for i in range(4):
        figures.prediction(left, i, dense, closed[:, i], rf"$\sigma$ = {sigma[i]:g}, $\lambda$ = {modes.lam[i]:g}")
        figures.measurement(left, i, 0.005 * run.path.times, run.strengths[:, i])

    single = replace(random_modes(rng, 4, 3), sigma=np.full(3, 1.0), lam=np.full(3, 1.0))
    c = np.array([0.0, 0.5, 2.0])  # a^2 - b^2 at the product a b = s0
    a0, b0 = (np.sqrt((np.hypot(c, 2e-2) + sign * c) / 2) for sign in (1, -1))
    dense, times = np.linspace(0, 5, 300), np.linspace(0, 5, 21)
    run = flow_modes(single, np.array([b0, a0]), [5], times, rng)
    a, b = two_layer_strengths(dense, a0, b0, 1.0)
    for i in range(3):
        figures.prediction(right, i, dense, (a * b)[:, i], f"$a^2 - b^2$ = {c[i]:g}")
        figures.measurement(right, i, times, run.strengths[:, i])
    figures.legend(left, (0.5, 0.56))
    figures.legend(right, "lower right")
    return drawing
