"""T2. Any number of layers, mode by mode (Saxe, McClelland, Ganguli 2014; Arora, Cohen, Hazan 2018).

Hypotheses: a network y = W_N ... W_1 x; the loss |Y - W X|^2 / 2P (with the 1/2,
mean over samples); gradient flow; one basis diagonalises both moments of the
data (see `lab/modes`); an aligned and balanced start, every layer
W_j = R_{j+1} diag(s_0^(1/N)) R_j^T with R_1 = V, R_{N+1} = U.

Statement: the modes stay apart and the strength of each obeys

    s' = N s^(2 - 2/N) (sigma - lam s).

With m = sigma/lam, q = s/m and p = 2/N - 1, time is an integral over q,

    N sigma m^(-p) (t - t_0) = B_p(q) - B_p(q_0),    B_p' = q^(p-1) / (1 - q),

elementary for every N: a logarithm for N = 1, the logit for N = 2, else a
power (the plateau) plus logarithms at the roots of unity. `lab/incomplete_beta`
computes it from two power series that hold for every N, and inverts it for s(t).
A mode above its target, q > 1, obeys the same with 1/q and 1 - p in place of q and p.
From a small start the half time is s_0^p / (-p N sigma) to leading order,
whatever lam is: for N >= 3 a power of the start, where N = 2 has its logarithm.

Infinite depth: in the time t' = N t the equation becomes s' = s^2 (sigma - lam s),
p = -1: `depth=math.inf`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minirmae.arrays import Array
from minirmae.optimizers import SGD
from minirmae.theory.lab import figures
from minirmae.theory.lab.incomplete_beta import beta_integral, beta_integral_inverse
from minirmae.theory.lab.integrator import integrate
from minirmae.theory.lab.modes import Modes, mode_arguments, random_modes
from minirmae.theory.lab.result import Check, compare, timed
from minirmae.theory.lab.simulation import flow_modes, train_modes
from minirmae.theory.t01_two_layer import two_layer_modes
from minirmae.validation import require_positive_int

RUNS = ((3, 6, 7, 5), (4, 5, 6, 6), (6, 4, 5, 5), (1, 6, 5, 4), (2, 4, 6, 5))
"""(depth, inputs, hidden, outputs) of the checks, one for each seed."""

RATE = 0.012
"""Learning rate of the training run, times the depth; it is also run at half of it."""

_FAR = 1e-150
"""Where s or sigma/lam is below this fraction of the other, it counts as 0."""


def deep_modes(t: ArrayLike, s0: ArrayLike, sigma: ArrayLike, lam: ArrayLike = 1.0, *, depth: float) -> Array:
    """Return the strengths s(t) of the modes of a network of any depth that starts balanced.

    Args:
        t: times, any shape, at least 0; for infinite depth, N times the time.
        s0: initial strengths, at least 0; shape of the modes (s0, sigma and lam broadcast).
        sigma: singular values of Syx, at least 0.
        lam: variances of Sxx, at least 0, and positive where sigma is.
        depth: number of layers N >= 1, or `math.inf`.

    Returns an array of shape `t.shape + modes.shape`.

    Raises ValueError, naming the hypothesis, if an argument is outside the theorem.

    >>> deep_modes([0.0, 4.0, 5.0, 9.0], s0=0.001, sigma=2.0, depth=3).round(4)
    array([1.000e-03, 1.147e-01, 1.818e+00, 2.000e+00])
    """
    where = "deep_modes"
    layers = _require_depth(where, depth)
    times, (start, sigma_, lam_) = mode_arguments(where, t, sigma, lam, s0)
    if (start < 0).any():
        raise ValueError(f"{where}: a balanced start has s0 = a^N with a >= 0, got {start.min():g}")
    if depth == 1:
        return start * np.exp(-lam_ * times) - sigma_ / (lam_ + (lam_ == 0)) * np.expm1(-lam_ * times)
    if depth == 2:
        return two_layer_modes(t, s0, sigma, lam)
    p = 2 / depth - 1
    modes = np.broadcast_to(start, times.shape[: np.ndim(t)] + start.shape).copy()  # right for modes at rest
    times = times.reshape(*np.shape(t), 1)
    rising = (_FAR * sigma_ < lam_ * start) & (lam_ * start < sigma_)
    falling = (_FAR * lam_ * start <= sigma_) & (sigma_ < lam_ * start)
    for moving, power, sign in ((rising, p, -1), (falling, 1 - p, 1)):
        if moving.any():
            s, a, b = start[moving], sigma_[moving], lam_[moving]
            value = beta_integral(power, _logit(s, a, b)) + layers * a * (a / b) ** -p * times
            z = beta_integral_inverse(power, value.ravel()).reshape(value.shape)
            modes[..., moving] = a / b * (1 + np.exp(-z)) ** sign
    vanishing = sigma_ < _FAR * lam_ * start
    if vanishing.any():  # sigma = 0: a power law
        s, b = start[vanishing], lam_[vanishing]
        modes[..., vanishing] = s * (1 + layers * (1 - p) * b * s ** (1 - p) * times) ** (-1 / (1 - p))
    return modes


def deep_mode_time(s: ArrayLike, s0: ArrayLike, sigma: ArrayLike, lam: ArrayLike = 1.0, *, depth: float) -> Array:
    """Return the time at which a mode that starts at s0 reaches s: the inverse of `deep_modes` in t.

    Args:
        s: strengths between s0 and sigma/lam, s0 included and sigma/lam not; it may be above or below s0.
        s0, sigma, lam: positive; they broadcast with s.
        depth: number of layers N >= 1, or `math.inf`, for which the time is N t.

    Raises ValueError if a mode never reaches s.

    >>> deep_mode_time(0.5, s0=1e-4, sigma=1.0, depth=4).round(3)
    np.float64(49.729)
    """
    where = "deep_mode_time"
    layers = _require_depth(where, depth)
    end, start, sigma_, lam_ = np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in (s, s0, sigma, lam)))
    below, above = lam_ * start < sigma_, lam_ * start > sigma_
    reached = (start <= end) & (lam_ * end < sigma_) & below | (start >= end) & (lam_ * end > sigma_) & above
    if not ((start > 0) & (sigma_ > 0) & (lam_ > 0) & reached).all():
        raise ValueError(
            f"{where}: expected s0, sigma, lam > 0 and s between s0 and sigma/lam: a mode reaches no other strength"
        )
    p, times = 2 / depth - 1, np.empty(end.shape)
    for group, power in ((below, p), (above, 1 - p)):
        a, b = sigma_[group], lam_[group]
        span = beta_integral(power, _logit(end[group], a, b)) - beta_integral(power, _logit(start[group], a, b))
        times[group] = span / (layers * a * (a / b) ** -p)
    return times


def deep_half_time(s0: ArrayLike, sigma: ArrayLike, lam: ArrayLike = 1.0, *, depth: float) -> Array:
    """Return the time at which a mode reaches half of sigma/lam; arguments and errors as in `deep_mode_time`.

    >>> deep_half_time(1e-3, sigma=[2.0, 1.0], depth=3).round(3)
    array([4.661, 9.145])
    """
    return deep_mode_time(np.asarray(sigma, dtype=float) / lam / 2, s0, sigma, lam, depth=depth)


def _require_depth(where: str, depth: float) -> float:
    """The factor N of the equation: the depth, or 1 for infinite depth, whose time includes it."""
    if depth != math.inf:
        require_positive_int(where, depth=depth)
    return 1.0 if depth == math.inf else depth


def _logit(s: Array, sigma: Array, lam: Array) -> Array:
    """Logit of q = lam s/sigma, or of 1/q if that is the one below 1."""
    return np.log(np.minimum(lam * s, sigma) / np.abs(sigma - lam * s))


def check(seed: int = 0, depth: int | None = None, quick: bool = False) -> list[Check]:
    """Compare the closed forms with flows, gradient descent and infinite depth; `depth` replaces those of `RUNS`."""
    checks: list[Check] = []
    for offset, (layers, inputs, hidden, outputs) in enumerate(RUNS[: 1 if quick else None]):
        layers, rng = depth or layers, np.random.default_rng(seed + offset)
        modes = random_modes(rng, inputs, outputs)
        note = f"depth {layers}, {inputs} inputs, {outputs} outputs"
        checks += _check_flow(modes, [hidden] * (layers - 1), rng, {"seed": seed + offset, "note": note})
    rng = np.random.default_rng(seed)
    return [*checks, _check_descent(rng, depth or 3, seed), *_check_infinite(rng, seed)]


def _check_flow(modes: Modes, hidden: list[int], rng: np.random.Generator, details: dict[str, Any]) -> list[Check]:
    """Modes, their coupling, and half times: at its half time each mode of the flow must have half its strength."""
    N, target = len(hidden) + 1, modes.sigma / modes.lam
    s0 = target * _fraction(rng.uniform(0.03, 0.1, len(target)), N) ** N
    half_times = deep_half_time(s0, modes.sigma, modes.lam, depth=N)
    times = np.union1d(np.linspace(0, 2.5 * half_times.max(), 21), half_times)
    run, seconds = timed(lambda: flow_modes(modes, np.tile(s0 ** (1 / N), (N, 1)), hidden, times, rng))
    s, instant = timed(lambda: deep_modes(times, s0, modes.sigma, modes.lam, depth=N), repeats=20)
    speedup = seconds / instant if N > 1 else None  # one layer is linear regression, a mere exponential
    at_half = run.strengths[np.searchsorted(times, half_times), np.arange(len(target))]
    return [
        compare("modes of the flow", s, run.strengths, 1e-9, seconds=seconds, speedup=speedup, **details),
        compare("strength at the half time", target / 2, at_half, 1e-9, **details),
        compare("modes stay apart", 0.0, run.coupling, 1e-9, **details),
        compare("energy identity of the flow", 0.0, run.path.energy_defect, 1e-9, **details),
    ]


def _check_descent(rng: np.random.Generator, depth: int, seed: int) -> Check:
    """Gradient descent is first order in its rate: half the rate leaves half the distance to the flow."""
    modes = random_modes(rng, 4, 3, sigma=(0.8, 2.0), lam=(0.7, 1.5))
    s0 = modes.sigma / modes.lam * _fraction(0.3, depth) ** depth
    duration = 1.2 * float(deep_half_time(s0, modes.sigma, modes.lam, depth=depth).max())
    start = np.tile(s0 ** (1 / depth), (depth, 1))

    def distance(rate: float) -> float:
        run = train_modes(modes, start, [4] * (depth - 1), SGD(rate), round(duration / rate), rng)
        closed = deep_modes(rate * run.path.times, s0, modes.sigma, modes.lam, depth=depth)
        return float(np.abs(run.strengths - closed).max())

    ratio, seconds = timed(lambda: distance(RATE / depth) / distance(RATE / depth / 2))
    return compare("SGD: distance to flow, rate over half rate", 2.0, ratio, 0.1, seed=seed, seconds=seconds)


def _check_infinite(rng: np.random.Generator, seed: int) -> list[Check]:
    """Infinite depth against its equation, and as the limit of finite depth: twice the depth, half the distance."""
    sigma, lam, s0 = rng.uniform(0.8, 2.0, 4), rng.uniform(0.7, 1.5, 4), rng.uniform(0.05, 0.2, 4)
    times = np.linspace(0, 20, 21)
    exact = integrate(lambda t, s: s**2 * (sigma - lam * s), s0, times).states
    limit = deep_modes(times, s0, sigma, lam, depth=math.inf)

    def distance(depth: int) -> float:
        return float(np.abs(deep_modes(times / depth, s0, sigma, lam, depth=depth) - limit).max())

    return [
        compare("infinite depth: modes of the equation", limit, exact, 1e-9, seed=seed),
        compare(
            "distance to infinite depth, N = 4000 over 8000", 2.0, distance(4000) / distance(8000), 0.02, seed=seed
        ),
    ]


def _fraction(f: ArrayLike, depth: int) -> Array:
    """Where layers start, as a fraction of their target, so that the plateau is about as long at every depth N >= 3."""
    return np.asarray(f) ** (1 / max(depth - 2, 1))


def figure(seed: int = 0, depth: int | None = None) -> Any:
    """Draw what depth does to the staircase of modes, and one mode at every depth on the scale of its half time."""
    rng, N, strength = np.random.default_rng(seed), depth or 4, "mode strength s (output per input)"
    drawing, (left, right) = figures.new_figure(
        "More layers: a longer plateau, then a sharper rise (lines: theory, points: training and flow)",
        (f"Depth {N}, SGD with rate 0.005 on samples", r"time t = steps $\times$ rate", strength),
        (r"One mode, $\sigma$ = $\lambda$ = 1, layers start at 0.1", "time t / half time of the depth", strength),
    )
    sigma, lam = np.array([2.0, 1.4, 1.0, 0.7]), np.array([1.0, 1.0, 0.8, 0.5])
    modes = replace(random_modes(rng, 5, 4), sigma=sigma, lam=lam)
    start = np.full(4, _fraction(0.09, N))
    end = 1.3 * float(deep_half_time(start**N, sigma, lam, depth=N).max())
    dense, steps = np.linspace(0, end, 600), round(end / 0.005)
    run = train_modes(modes, np.tile(start, (N, 1)), [6] * (N - 1), SGD(0.005), steps, rng, every=max(steps // 30, 1))
    closed = deep_modes(dense, start**N, sigma, lam, depth=N)
    for i in range(4):
        figures.prediction(left, i, dense, closed[:, i], rf"$\sigma$ = {sigma[i]:g}, $\lambda$ = {lam[i]:g}")
        figures.measurement(left, i, 0.005 * run.path.times, run.strengths[:, i])

    single = replace(random_modes(rng, 3, 1), sigma=np.ones(1), lam=np.ones(1))
    dense, times = np.linspace(0, 2, 500), np.linspace(0, 2, 21)
    for i, layers in enumerate((1, 2, 3, 4)):
        half = float(deep_half_time(0.1**layers, 1.0, depth=layers))
        closed = deep_modes(half * dense, 0.1**layers, 1.0, depth=layers)
        figures.prediction(right, i, dense, closed, f"N = {layers}, half time {half:.3g}")
        flow = flow_modes(single, np.full((layers, 1), 0.1), [3] * (layers - 1), half * times, rng)
        figures.measurement(right, i, times, flow.strengths[:, 0])
    figures.legend(left, "upper left")
    figures.legend(right, "upper left")
    return drawing
