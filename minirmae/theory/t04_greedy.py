"""T4. Modes are learned one after the other (Gidel, Bach, Lacoste-Julien 2019).

Hypotheses: T1's (two layers, both moments of the data in one basis, aligned
balanced start), every layer's strength a_0 = exp(-delta), and sigma_1 > sigma_2 > ...

Statement, for delta to infinity and time measured in units of delta: mode i
jumps from 0 to sigma_i/lam_i at

    T_i = 1/sigma_i  (flow),      T_i = rate/ln(1 + rate sigma_i)  (gradient descent).

Between two jumps W rests at `sum of (sigma_i/lam_i) u_i v_i^T, i <= r`. That is
the reduced-rank regression of rank r if the r largest sigma_i also have the r largest
sigma_i/sqrt(lam_i): training ranks modes by its pace, sigma, and regression by the loss
that a mode explains, sigma^2/(2 lam). On whitened inputs the two rankings agree.

Gradient descent does so for rate sigma_1 < 1, without overshooting for
rate sigma_1 <= 1/2; `lab/descent_modes` holds its exact map and bounds on the step of every jump.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minirmae.arrays import Array
from minirmae.measures.rank import product_spectrum
from minirmae.optimizers import SGD
from minirmae.theory.lab import figures
from minirmae.theory.lab.descent_modes import descent_modes, jump_steps, phase_times
from minirmae.theory.lab.dynamics import train
from minirmae.theory.lab.initial import aligned_factors, orthonormal_columns
from minirmae.theory.lab.modes import Modes, mode_strengths
from minirmae.theory.lab.networks import end_to_end, factors_of, linear_network, product, quadratic_loss, regression
from minirmae.theory.lab.result import Check, at_least, at_most, compare, timed
from minirmae.theory.lab.simulation import flow_modes
from minirmae.theory.t01_two_layer import two_layer_half_time
from minirmae.validation import require_int, require_shape

DELTAS = (20.0, 80.0, 300.0)
"""Sizes of the starts exp(-delta) at which jump times are checked."""

PLATEAU_DELTA = 16.0
"""Size of the random starts whose plateaus are checked."""

WIDTHS = (8, 12, 6)
"""Hidden widths of the random starts, one for each seed."""

RATE = 0.4
"""Largest rate sigma of the training runs."""


def plateaus(modes: Modes) -> Array:
    """Return where training rests: (r + 1, outputs, inputs), the sum over the first 0..r modes by decreasing sigma."""
    order = np.argsort(-modes.sigma, kind="stable")
    U, V, final = modes.U[:, order], modes.V[:, order], (modes.sigma / modes.lam)[order]
    terms = np.einsum("om,m,im->moi", U, final, V)
    return np.concatenate([np.zeros_like(terms[:1]), terms.cumsum(axis=0)])


def reduced_rank_regression(covariance: Array, correlation: Array, rank: int) -> Array:
    """Return the W (outputs, inputs) of at most this rank that minimises `|Y - W X|^2`.

    Args:
        covariance: Sxx (inputs, inputs), positive definite; it need not commute with anything.
        correlation: Syx (outputs, inputs).

    With `C = Syx Sxx^(-1/2)` it is `C_r Sxx^(-1/2)`, C_r being C's truncated singular value
    decomposition (Izenman 1975): in the basis of T1, modes are ranked by sigma/sqrt(lam).

    Raises ValueError if shapes do not fit or a direction of the inputs has no variance.

    >>> reduced_rank_regression(np.diag([4.0, 1.0]), np.diag([3.0, 2.0]), 1)
    array([[0., 0.],
           [0., 2.]])
    """
    where = "reduced_rank_regression"
    require_int(where, "rank", rank, 0)
    require_shape(where, "covariance", covariance, (correlation.shape[1],) * 2)
    variances, basis = np.linalg.eigh(covariance)
    if variances[0] <= 1e-13 * variances[-1]:
        raise ValueError(f"{where}: Sxx must be positive definite: a direction of the inputs has no variance")
    whitening = (basis / np.sqrt(variances)) @ basis.T
    U, s, Vt = np.linalg.svd(correlation @ whitening, full_matrices=False)
    W: Array = (U[:, :rank] * s[:rank]) @ Vt[:rank] @ whitening
    return W


def _descend(modes: Modes, start: float, rate: float, steps: int) -> Array:
    """Strengths (steps + 1, r) of an aligned network trained with SGD on the moments themselves."""
    r = len(modes.sigma)
    model = linear_network(aligned_factors(modes.U, np.full((2, r), start), modes.V, [r]))
    objective = end_to_end(quadratic_loss(modes.covariance, modes.correlation, modes.target_power))
    path = train(model, objective, np.eye(len(modes.V)), SGD(rate), steps)
    return mode_strengths(modes.U, product(factors_of(model, path.values)), modes.V)


def _random_descent(modes: Modes, width: int, delta: float, rate: float, rng: np.random.Generator) -> Array:
    """Product matrices (steps + 1, outputs, inputs) of SGD on samples, from a random start of size exp(-delta)."""
    x, y = modes.data(rng, 2 * len(modes.sigma))
    shapes = (width, len(modes.V)), (len(modes.U), width)
    model = linear_network([np.exp(-delta) * rng.normal(size=shape) for shape in shapes])
    steps = _resting_steps(modes.sigma[modes.sigma > 0], delta, rate)[-1]
    path = train(model, regression(y), x, SGD(rate), int(steps))
    return product(factors_of(model, path.values))


def _resting_steps(sigma: Array, delta: float, rate: float) -> Array:
    """The steps in the middle of every plateau: half way to the first jump, between jumps, well after the last.

    A plateau is approached at the pace `2 r_i` of the mode before and left at `2 r_(i+1)`, r = ln(1 + rate sigma)/rate;
    both distances are equal at the time `2 delta/(r_i + r_(i+1))`.
    """
    paces = np.log1p(rate * sigma)
    middle = 2 * delta / (paces[1:] + paces[:-1])
    steps: Array = np.rint(np.concatenate([[0.5 * delta / paces[0]], middle, [1.6 * delta / paces[-1]]])).astype(int)
    return steps


def check(seed: int = 0, quick: bool = False) -> list[Check]:
    """Compare jump times, plateaus and step-size limits with SGD and with the flow."""
    checks: list[Check] = []
    for offset, width in enumerate(WIDTHS[: 1 if quick else None]):
        rng = np.random.default_rng(seed + offset)
        sigma = np.array([8.0, 4.0, 2.0, 1.0]) * rng.uniform(1, 1.1, 4)
        modes = Modes(np.eye(5, 4), sigma, np.eye(6, 4), rng.uniform(0.8, 1.25, 4))
        details: dict[str, Any] = {"seed": seed + offset}
        for delta in DELTAS[: 1 if quick else None]:
            checks += _check_descent(modes, delta, details)
        checks += _check_flow(modes, DELTAS[0], details)
        checks += _check_limits(modes, details)
        checks += _check_plateaus(sigma, width, rng, {**details, "note": f"8-{width}-8 network, random start"})
    return checks


def _check_descent(modes: Modes, delta: float, details: dict[str, Any]) -> list[Check]:
    """Every strength at every step of SGD, and the step at which it passes the half."""
    start, rate = np.exp(-delta), RATE / modes.sigma[0]
    details = {**details, "note": f"delta = {delta:g}"}
    steps = int(1.05 * delta / np.log1p(rate * modes.sigma[-1])) + 30
    strengths, seconds = timed(lambda: _descend(modes, start, rate, steps))
    (early, late), instant = timed(lambda: jump_steps(start, modes.sigma, modes.lam, rate=rate), 20)
    # How much slower a simulation is depends on how long it must wait: the longest one is the comparison.
    clock: dict[str, Any] = {"seconds": seconds, "speedup": seconds / instant if delta == DELTAS[-1] else None}
    jumps = (strengths < modes.sigma / modes.lam / 2).sum(axis=0)
    bounded = np.clip(jumps, early, np.ceil(late))
    exact = descent_modes(steps, start, modes.sigma, modes.lam, rate=rate)
    limit = phase_times(modes.sigma, rate)
    return [
        compare("SGD: steps of the jumps within bounds", bounded, jumps, 0.0, **clock, **details),
        compare("SGD: strengths at every step", exact, strengths, 1e-10, **details),
        compare("SGD: jump times/delta", limit, rate * jumps / delta, 5 / delta, relative=True, **details),
    ]


def _check_flow(modes: Modes, delta: float, details: dict[str, Any]) -> list[Check]:
    """The flow at T1's half times, and their limit."""
    halves = two_layer_half_time(np.exp(-2 * delta), modes.sigma, modes.lam)
    start, times = np.full((2, len(halves)), np.exp(-delta)), np.append(0.0, halves)
    # Unit vectors for a basis: in any other, small modes are lost in the rounding of large ones.
    run, seconds = timed(lambda: flow_modes(modes, start, [len(halves)], times, atol=1e-30))
    reached = run.strengths[1:].diagonal() * modes.lam / modes.sigma
    half, limit = np.full(len(halves), 0.5), phase_times(modes.sigma)
    details = {**details, "note": f"delta = {delta:g}"}
    return [
        compare("flow: half strength at the half times", half, reached, 1e-8, seconds=seconds, **details),
        compare("flow: half times/delta", limit, halves / delta, 5 / delta, relative=True, **details),
    ]


def _check_limits(modes: Modes, details: dict[str, Any]) -> list[Check]:
    """Just below and above both limits of e = rate sigma_1."""
    final = modes.sigma[0] / modes.lam[0]
    strongest = {e: _descend(modes, 1e-3, e / modes.sigma[0], 1500)[:, 0] / final for e in (0.5, 0.6, 0.99, 1.01)}
    return [
        at_most("SGD: no overshoot at rate sigma = 0.5", 1.0, strongest[0.5].max(), slack=1e-12, **details),
        at_least("SGD: overshoot at rate sigma = 0.6", 1e-5, strongest[0.6].max() - 1, **details),
        compare("SGD: settles at rate sigma = 0.99", 1.0, strongest[0.99][-1], 1e-9, **details),
        at_least("SGD: distance left at rate sigma = 1.01", 0.05, abs(strongest[1.01][-2:] - 1).min(), **details),
    ]


def _check_plateaus(sigma: Array, width: int, rng: np.random.Generator, details: dict[str, Any]) -> list[Check]:
    """A small random start, neither aligned nor balanced, against reduced-rank regression at every rank."""
    lam = rng.uniform(0.8, 1.25, 8)
    bases = orthonormal_columns(rng, 8, 8), orthonormal_columns(rng, 8, 8)
    modes = Modes(bases[0], np.append(sigma, np.zeros(4)), bases[1], lam)
    rate = RATE / sigma[0]
    path, seconds = timed(lambda: _random_descent(modes, width, PLATEAU_DELTA, rate, rng))
    targets = np.array([reduced_rank_regression(modes.covariance, modes.correlation, r) for r in range(5)])
    resting = path[_resting_steps(sigma, PLATEAU_DELTA, rate)]
    size = np.linalg.norm(targets[-1])
    distance = np.linalg.norm(resting - targets, axis=(1, 2)) / size
    ranks = [(product_spectrum(W) > 1e-2 * size).sum() for W in resting]
    return [
        compare("plateaus are reduced-rank regressions", targets, plateaus(modes)[:5], 1e-12, **details),
        compare("SGD: distance to the plateaus", np.zeros(5), distance, 1e-3, seconds=seconds, **details),
        compare("SGD: rank on the plateaus", np.arange(5), ranks, 0.0, **details),
    ]


def figure(seed: int = 0) -> Any:
    """Draw the staircase of learned modes for ever smaller starts, and the distance to every plateau."""
    rng = np.random.default_rng(seed)
    sigma = np.array([8.0, 4.0, 2.0, 1.0])
    rate = RATE / sigma[0]
    drawing, (left, right) = figures.new_figure(
        "The smaller the start, the sharper the staircase: training rests at the best matrix of rank 0, 1, 2, ...",
        (
            r"SGD from layers of strength exp(-$\delta$), rate 0.05",
            r"time / $\delta$  (steps $\times$ rate / $\delta$)",
            "modes learned (sum of s/final s)",
        ),
        (
            r"8-12-8 network, $\delta$ = 16: random start (points), aligned start (lines)",
            r"time / $\delta$  (steps $\times$ rate / $\delta$)",
            "distance of W to the rank-r regression\n(Frobenius norm, relative to W's final one)",
        ),
    )
    unit = Modes(np.eye(4), sigma, np.eye(4), np.ones(4))
    jumps = phase_times(sigma, rate)
    figures.prediction(left, 0, [0, *np.repeat(jumps, 2), 1.3], np.repeat(np.arange(5), 2), r"limit $\delta\to\infty$")
    for i, delta in enumerate((5, 20, 80), 1):
        steps = int(1.3 * delta / rate)
        learned = (_descend(unit, np.exp(-delta), rate, steps) / sigma).sum(axis=1)
        every = slice(None, None, max(1, steps // 60))
        figures.measurement(
            left, i, (np.arange(steps + 1) * rate / delta)[every], learned[every], rf"$\delta$ = {delta}"
        )

    wide = Modes(np.eye(8), np.append(sigma, np.zeros(4)), np.eye(8), np.ones(8))
    path = _random_descent(wide, 12, PLATEAU_DELTA, rate, rng)
    exact = descent_modes(len(path) - 1, np.exp(-PLATEAU_DELTA), sigma, rate=rate)
    times, every = np.arange(len(path)) * rate / PLATEAU_DELTA, slice(0, None, 8)
    for r in range(1, 5):
        target = reduced_rank_regression(wide.covariance, wide.correlation, r)
        distance = np.linalg.norm(path - target, axis=(1, 2)) / np.linalg.norm(sigma)
        aligned = np.linalg.norm(exact - np.where(np.arange(4) < r, sigma, 0), axis=1) / np.linalg.norm(sigma)
        figures.prediction(right, r - 1, times, aligned, f"r = {r}")
        figures.measurement(right, r - 1, times[every], distance[every])
    right.set_yscale("log")
    right.set_ylim(1e-6, 2)
    figures.legend(left, "lower right")
    figures.legend(right, "lower right")
    return drawing
