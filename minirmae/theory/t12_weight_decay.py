"""T12. Weight decay is a Schatten-2/N quasi-norm (N = 2: Srebro, Rennie, Jaakkola 2005; N > 2: Shang et al. 2020).

Hypotheses: a network W = W_N ... W_1 with no layer narrower than min(inputs, outputs);
the loss L(W) + (mu/2) sum |W_j|_F^2.

Statement. Over all factorisations of a W with singular values s,

    min sum |W_j|_F^2 = N sum s_i^(2/N),

attained exactly by the balanced ones. So the network minimises `L(W) + (mu N/2) sum s_i^(2/N)`:
ridge regression for N = 1, the nuclear norm for N = 2, a quasi-norm that is
not convex, and closer to the rank, for N >= 3. For `L = |W - M|_F^2/2` the minimiser has
M's singular vectors and shrinks its singular values one by one, by the rule in `lab/shrinkage`:

    N = 1: sigma/(1 + mu),    N = 2: max(sigma - mu, 0),    N >= 3: 0 or the larger root of s + mu s^(2/N - 1) = sigma.

From N = 3 on the rule jumps, and zero is a strict local minimum for every mu > 0: a start
whose layers are weaker than `escape_strength` collapses, and a strong one can be
left at a local minimum that is worse than zero. Gradient descent does not apply the global rule.

The autoencoder `L = tr (I - W) Sxx (I - W)^T / 2` has sigma = lam in Sxx's eigenbasis.
Among matrices W that are diagonal in that basis the rule gives the minimum for every N;
that no other W is better follows from convexity for N <= 2; for N >= 3 it is
supported by random starts only, unless Sxx is a multiple of the identity.

For N = 2, balanced modes follow a logistic curve: `s' = 2 s (sigma - mu - lam s)`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minirmae.arrays import Array
from minirmae.optimizers import SGD
from minirmae.report import style
from minirmae.theory.lab import figures
from minirmae.theory.lab.dynamics import gradient_flow, train
from minirmae.theory.lab.initial import balanced_factors, orthonormal_columns
from minirmae.theory.lab.modes import Modes, random_modes
from minirmae.theory.lab.networks import add_decay, end_to_end, factors_of, linear_network, product, quadratic_loss
from minirmae.theory.lab.result import Check, at_least, at_most, compare, timed
from minirmae.theory.lab.shrinkage import (
    autoencoder_threshold,
    decay_thresholds,
    decayed_modes,
    escape_strength,
    local_minimum,
    mode_objective,
    schatten_penalty,
    shrink,
)
from minirmae.theory.lab.simulation import flow_modes
from minirmae.validation import require_positive_int

DEPTHS = (2, 3, 4)
"""Numbers of layers of the checks, one for each seed."""

MU = 0.3
"""Weight decay of the checks."""


def _train_modes(sigma: Array, starts: Array, mu: float, depth: int) -> Array:
    """Final strengths of a diagonal network, one mode for each entry, trained with SGD under decay."""
    model = linear_network([np.diag(starts) for _ in range(depth)])
    objective = add_decay(end_to_end(quadratic_loss(np.eye(len(sigma)), np.diag(sigma))), mu)
    path = train(model, objective, np.eye(len(sigma)), SGD(0.05), 1500, every=1500)
    final: Array = product(factors_of(model, path.values[-1])).diagonal()
    return final


def _squares(factors: list[Array]) -> float:
    return float(sum((W**2).sum() for W in factors))


def check(seed: int = 0, depth: int | None = None, quick: bool = False) -> list[Check]:
    """Compare the quasi-norm, the shrinkage rule, its thresholds and its barriers with networks under decay."""
    checks: list[Check] = []
    for offset in range(1 if quick else len(DEPTHS)):
        layers = depth or DEPTHS[offset]
        require_positive_int("weight-decay", depth=layers)
        rng = np.random.default_rng(seed + offset)
        details: dict[str, Any] = {"seed": seed + offset, "note": f"{layers} layers"}
        checks += _check_norm(layers, rng, details)
        checks += _check_matrix(layers, rng, details)
        if layers == 2:
            checks += _check_dynamics(rng, details)
        if layers >= 3:
            checks += _check_barrier(layers, rng, details)
            checks += _check_autoencoder(layers, rng, details)
    return checks


def _check_norm(depth: int, rng: np.random.Generator, details: dict[str, Any]) -> list[Check]:
    """Balanced factors attain the quasi-norm, others of the same product exceed it, and the rule beats a grid."""
    M = rng.normal(size=(4, 3))
    norm = schatten_penalty(np.linalg.svd(M, compute_uv=False), depth)
    factors = balanced_factors(M, [5] * (depth - 1), rng)
    least = np.inf
    for size in np.geomspace(1e-3, 0.3, 30):
        gauges = [np.eye(3), *(np.eye(5) + size * rng.normal(size=(5, 5)) for _ in factors[1:]), np.eye(4)]
        moved = [gauges[j + 1] @ W @ np.linalg.inv(gauges[j]) for j, W in enumerate(factors)]
        least = min(least, _squares(moved))
    sigma, mu, lam = rng.uniform(0, 3, 40), rng.uniform(0, 1, 40), rng.uniform(0.3, 3, 40)
    grid = np.linspace(0, 1, 2001)[:, None] * sigma / lam
    best = mode_objective(shrink(sigma, mu, depth, lam), sigma, mu, depth, lam)
    excess = (best - mode_objective(grid, sigma, mu, depth, lam).min(axis=0)).max()
    return [
        compare("squares of balanced factors", norm, _squares(factors), 1e-12, relative=True, **details),
        at_least("squares of other factors", float(norm), least, slack=1e-12, **details),
        at_most("the rule against a grid of strengths", 0.0, excess, slack=1e-12, **details),
    ]


def _check_matrix(depth: int, rng: np.random.Generator, details: dict[str, Any]) -> list[Check]:
    """Whole networks from large starts, neither aligned nor balanced, by the flow and by SGD."""
    lost, kept = decay_thresholds(MU, depth)
    sigma = np.array([2 * kept + 1, 1.3 * kept + 0.3, 0.5 * lost])
    U, V = orthonormal_columns(rng, 4, 3), orthonormal_columns(rng, 3, 3)
    M = (U * sigma) @ V.T
    factors = [W + 0.02 * rng.normal(size=W.shape) for W in balanced_factors(M, [5] * (depth - 1), rng)]
    model, objective = linear_network(factors), end_to_end(quadratic_loss(np.eye(3), M, float((M**2).sum())))
    duration = 20 / MU
    # The end attracts, so that errors on the way do not stay: no need for the tightest tolerance.
    flow, seconds = timed(
        lambda: gradient_flow(model, objective, np.eye(3), np.array([0, duration]), decay=MU, rtol=1e-9, atol=1e-12)
    )
    s = shrink(sigma, MU, depth)
    rate = 1 / (depth * sigma[0] ** (2 - 2 / depth))  # half of what is stable at the minimum
    steps = int(duration / rate)
    descent = train(model, add_decay(objective, MU), np.eye(3), SGD(rate), steps, every=steps)
    W = (U * s) @ V.T
    ends = [product(factors_of(model, path.values[-1])) for path in (flow, descent)]
    least = mode_objective(s, sigma, MU, depth).sum() + (M**2).sum() / 2
    return [
        compare("flow: matrix", W, ends[0], 1e-8, seconds=seconds, **details),
        compare("SGD: matrix", W, ends[1], 1e-8, **details),
        compare("flow: loss", least, flow.losses[-1], 1e-10, **details),
    ]


def _check_dynamics(rng: np.random.Generator, details: dict[str, Any]) -> list[Check]:
    """Two layers at every time: modes above, below and at the decay."""
    modes = random_modes(rng, 5, 4)
    mu, s0, times = float(modes.sigma[1]), np.geomspace(1e-3, 2, 4), np.linspace(0, 12, 61)
    run, seconds = timed(lambda: flow_modes(modes, np.sqrt([s0, s0]), [6], times, rng, decay=mu))
    s, instant = timed(lambda: decayed_modes(times, s0, modes.sigma, mu, modes.lam), repeats=20)
    clock: dict[str, Any] = {"seconds": seconds, "speedup": seconds / instant}
    return [compare("flow: two-layer modes", s, run.strengths, 1e-9, **clock, **details)]


def _check_barrier(depth: int, rng: np.random.Generator, details: dict[str, Any]) -> list[Check]:
    """Starts 2 % on either side of the barrier, and a large start between the two thresholds."""
    lam = rng.uniform(0.5, 2, 3)
    exists, selected = decay_thresholds(MU, depth, lam)
    sigma = np.array([1.5 * selected[0], (exists[1] + selected[1]) / 2, 0.9 * exists[2]])
    modes = Modes(orthonormal_columns(rng, 4, 3), sigma, orthonormal_columns(rng, 3, 3), lam)
    reached, barrier = local_minimum(sigma, MU, depth, lam), escape_strength(sigma, MU, depth, lam)
    large = (sigma / lam) ** (1 / depth)

    def end(strengths: Array) -> Array:
        start, hidden, times = np.tile(strengths, (depth, 1)), [3] * (depth - 1), np.array([0, 30 / MU])
        final: Array = flow_modes(modes, start, hidden, times, decay=MU, rtol=1e-9, atol=1e-12).strengths[-1]
        return final

    above, below = (end(np.where(np.isfinite(barrier), scale * barrier, large)) for scale in (1.02, 0.98))
    value = float(mode_objective(reached, sigma, MU, depth, lam)[1])
    return [
        compare("flow: start 2 % above the barrier", reached, above, 1e-8, **details),
        compare("flow: start 2 % below the barrier", np.zeros(3), below, 1e-8, **details),
        compare("flow: large start", reached, end(large), 1e-8, **details),
        at_least("a local minimum worse than zero", 1e-3, value, **details),
    ]


def _check_autoencoder(depth: int, rng: np.random.Generator, details: dict[str, Any]) -> list[Check]:
    """No random start of an autoencoder finds less than the best diagonal one."""
    lam = np.array([2.0, 1.0, 0.5]) * float(autoencoder_threshold(MU, depth)) * rng.uniform(1.05, 1.3)
    least = float(mode_objective(shrink(lam, MU, depth, lam), lam, MU, depth, lam).sum() + lam.sum() / 2)
    objective = end_to_end(quadratic_loss(np.diag(lam), np.diag(lam), lam.sum()))

    def found() -> float:
        model = linear_network([rng.normal(size=(3, 3)) for _ in range(depth)])
        path = gradient_flow(model, objective, np.eye(3), np.array([0, 20 / MU]), decay=MU, rtol=1e-7, atol=1e-9)
        return float(path.losses[-1])

    best = min(found() for _ in range(3))
    return [at_least("autoencoder: best of 3 random starts", least, best, slack=1e-9, **details)]


def figure(seed: int = 0, depth: int | None = None) -> Any:
    """Draw the rule for four depths, and what becomes of starts of every size at depth 3 or `depth`."""
    mu, chosen = 0.5, depth or 3
    drawing, (left, right) = figures.new_figure(
        "Weight decay shrinks and cuts off singular values; from three layers on, what is cut depends on the start too",
        (
            "Large start, same decay (tick: zero is the better minimum to its left)",
            r"singular value $\sigma$ of the target (output per input)",
            "final strength s (output per input)",
        ),
        (
            rf"{chosen} layers, $\mu$ = 0.5",
            "initial strength of each layer",
            "final strength s (output per input)",
        ),
    )
    dense, sigma = np.linspace(0, 3, 601), np.linspace(0.05, 2.95, 30)
    for i, layers in enumerate((1, 2, 3, 4)):
        reached = local_minimum(dense, mu, layers)
        _, selected = decay_thresholds(mu, layers)
        figures.prediction(left, i, dense, reached, f"N = {layers}")
        figures.measurement(left, i, sigma, _train_modes(sigma, np.full(30, 1.5), mu, layers))
        if layers > 2:
            colour = style.grade(i).colour
            left.plot([selected], [local_minimum(selected, mu, layers)], color=colour, marker="|", markersize=22)

    starts, fine = np.linspace(0.05, 1.3, 26), np.linspace(0, 1.3, 1301)
    for i, strength in enumerate((2.5, 1.6, 1.1)):
        target = np.full(len(starts), strength)
        escaped = fine > escape_strength(strength, mu, chosen)
        figures.prediction(
            right, i, fine, np.where(escaped, local_minimum(strength, mu, chosen), 0), f"$\\sigma$ = {strength}"
        )
        figures.measurement(right, i, starts, _train_modes(target, starts, mu, chosen))
    figures.legend(left, "upper left")
    figures.legend(right, (0.72, 0.62))
    return drawing
