"""T15. Stability, the two-cycle, and Adam: what a finite step does, which the flow does not.

Hypotheses: a linear network of N layers; the loss |Y - W X|^2 / 2P; Sxx = V diag(lam) V^T; a
*balanced* minimum, W = U diag(s) V^T with every layer aligned and of strengths s^(1/N);
gradient descent with rate eta.

Statement. *Sharpness.* The Hessian at the minimum has the eigenvalues

    lam_r' sum_j s_r^(2(N-j)/N) s_r'^(2(j-1)/N)     over outputs r and inputs r',

and 0. Near it a step multiplies an eigenvector by 1 - eta h, so the minimum is
stable if and only if eta < 2/h for the largest h, which is N s_1^(2-2/N) if lam = 1.

*Scalar problem*, (a b - sigma)^2 / 2: a minimum has sharpness a^2 + b^2 >= 2 sigma, so with
e = eta sigma none is stable for e > 1. For e < 1, descent that starts near a minimum too
sharp for its rate leaves it for a flatter one. For e > 1 it balances and runs in a *two-cycle*,

    a b / sigma = ((1 + e) +- sqrt((1 + e)^2 - 4)) / 2e,

whose multiplier over two steps is 9 - 2 (1 + e)^2: stable for 1 < e < sqrt(5) - 1.

*Adam* (Kingma and Ba 2015) divides every gradient by its own size. Descent learns the modes of a
linear autoencoder at times proportional to 1/lam_i. If data and layers are aligned with
the coordinates, the gradient of mode i is lam_i times a function of the mode alone, Adam with
epsilon = 0 cancels lam_i exactly, and all modes are learned at once, at any depth.
`lab/sharpness` has the Hessian, `lab/learning_order` the autoencoder under any optimiser.
The edge of stability in nonlinear networks: Cohen, Kaur, Li, Kolter, Talwalkar 2021.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minirmae.arrays import Array
from minirmae.optimizers import SGD, Adam
from minirmae.theory.lab import figures
from minirmae.theory.lab.dynamics import train
from minirmae.theory.lab.initial import aligned_factors, orthonormal_columns
from minirmae.theory.lab.learning_order import half_steps
from minirmae.theory.lab.modes import random_modes
from minirmae.theory.lab.networks import end_to_end, linear_network, quadratic_loss, regression
from minirmae.theory.lab.result import Check, at_most, compare, timed
from minirmae.theory.lab.sharpness import critical_rate, hessian_eigenvalues, measured_hessian

DEPTHS = (2, 3, 4)
"""Numbers of layers of the checks."""

SIZES = ((3, 4, 3), (4, 3, 3), (2, 3, 4))
"""(inputs, hidden, outputs) of the Hessians, one for each depth."""

LAST = float(np.sqrt(5)) - 1
"""The e at which the two-cycle loses its stability."""

DESCENT_STEPS, ADAM_STEPS = 3600, 400
"""Steps of SGD with rate 0.01, and of Adam with rate 0.005, that suffice for every mode at every depth."""

VARIANCES = 1 / np.arange(1.0, 7.0)
"""Variances of the six modes of the autoencoder."""


def two_cycle(e: ArrayLike) -> tuple[Array, Array]:
    """Return the two values of `a b / sigma` between which the scalar problem alternates; e = eta sigma > 1.

    Their product is 1/e^2. Raises ValueError unless e > 1: below, the minimum is stable and there is no cycle.

    >>> low, high = two_cycle(1.2)
    >>> low.round(4), high.round(4)
    (np.float64(0.5348), np.float64(1.2985))
    """
    rate = _beyond_one("two_cycle", e)
    # (1 + e)^2 - 4 = (e - 1)(e + 3), which loses nothing near e = 1.
    high = ((1 + rate) + np.sqrt((rate - 1) * (rate + 3))) / (2 * rate)
    return 1 / (rate**2 * high), high


def two_cycle_multiplier(e: ArrayLike) -> Array:
    """Return `9 - 2 (1 + e)^2`, the factor on a small distance from the two-cycle after two steps; stable inside +-1.

    Raises ValueError unless e > 1.
    """
    multiplier: Array = 9 - 2 * (1 + _beyond_one("two_cycle_multiplier", e)) ** 2
    return multiplier


def _beyond_one(where: str, e: ArrayLike) -> Array:
    rate = np.asarray(e, dtype=float)
    if not (rate > 1).all():
        raise ValueError(f"{where}: expected e = eta sigma > 1, got {rate.min():g}: below, the minimum is stable")
    return rate


def scalar_descent(sigma: float, e: float, a: float, b: float, steps: int) -> Array:
    """Train `a b` towards sigma by SGD at rate e/sigma, on `(a b - sigma)^2 / 2`; return (steps + 1, 2), a and b."""
    model = linear_network([np.array([[b]]), np.array([[a]])])
    objective = end_to_end(quadratic_loss(np.array([[1.0]]), np.array([[sigma]])))
    return train(model, objective, np.eye(1), SGD(e / sigma), steps).values[:, ::-1]


def _scalar_minimum(sigma: float, sharpness: float) -> tuple[float, float]:
    """A point (a, b) next to the minimum a b = sigma where a^2 + b^2 is the sharpness."""
    a2 = (sharpness + np.sqrt(sharpness**2 - 4 * sigma**2)) / 2
    return float(np.sqrt(a2)), float(sigma / np.sqrt(a2)) * (1 + 1e-3)


def check(seed: int = 0, depth: int | None = None, quick: bool = False) -> list[Check]:
    """Compare Hessians, thresholds, cycles and learning orders with training runs by the library's optimisers."""
    checks: list[Check] = []
    for offset, N in enumerate(DEPTHS[: 1 if quick else None] if depth is None else (depth,)):
        rng = np.random.default_rng(seed + offset)
        details: dict[str, Any] = {"seed": seed + offset, "note": f"{N} layers"}
        checks += _check_sharpness(N, SIZES[offset], rng, details)
        checks += _check_learning_order(N, details)
    return [*checks, *_check_scalar(np.random.default_rng(seed), seed)]


def _check_sharpness(
    N: int, sizes: tuple[int, int, int], rng: np.random.Generator, details: dict[str, Any]
) -> list[Check]:
    """The Hessian of the library's own gradient, and growth along its first eigenvector on both sides of 2/h."""
    inputs, hidden, outputs = sizes
    modes = random_modes(rng, inputs, outputs)
    s = modes.sigma / modes.lam
    x, y = modes.data(rng, 2 * inputs)
    factors = aligned_factors(modes.U, np.tile(s ** (1 / N), (N, 1)), modes.V, [hidden] * (N - 1), rng)
    network, objective = linear_network(factors), regression(y.astype(complex))
    (values, vectors), seconds = timed(lambda: np.linalg.eigh(measured_hessian(network, objective, x)))
    # Outputs or inputs beyond the modes count as modes of strength 0; inputs beyond them have no variance.
    rest = (0, max(inputs, outputs) - len(s))
    s, lam = np.pad(s, rest), np.pad(modes.lam, rest)
    eigenvalues = hessian_eigenvalues(s, N, lam)[:outputs, :inputs]
    pairs = np.zeros((2, max(eigenvalues.size, values.size)))
    pairs[0, : eigenvalues.size], pairs[1, : values.size] = -np.sort(-eigenvalues.ravel()), values[::-1]
    checks = [compare("Hessian at a balanced minimum", pairs[0], pairs[1], 1e-10, seconds=seconds, **details)]
    for part in (0.99, 1.01):
        rate = part * critical_rate(s, N, lam)
        model = linear_network(factors)
        model.values[...] += 1e-6 * vectors[:, -1]
        losses = train(model, regression(y), x, SGD(rate), 100, every=50).losses
        growth = float((losses[2] / losses[1]) ** (1 / 100))
        name = f"SGD: factor per step at {part:g} of the critical rate"
        checks.append(compare(name, 2 * part - 1, growth, 1e-4, **details))
    return checks


def _check_learning_order(N: int, details: dict[str, Any]) -> list[Check]:
    """Descent learns modes at times proportional to 1/lam; Adam, in the data's own basis, all at one step."""
    axes = np.eye(len(VARIANCES))
    descent, seconds = timed(lambda: half_steps(VARIANCES, axes, N, SGD(0.01), DESCENT_STEPS))
    adam = half_steps(VARIANCES, axes, N, Adam(0.005, epsilon=1e-100), ADAM_STEPS)
    ratios, expected = descent / descent[0], VARIANCES[0] / VARIANCES
    return [
        compare("SGD: half times over the first", expected, ratios, 2e-2, relative=True, seconds=seconds, **details),
        compare("Adam: half times over the first", np.ones(len(adam)), adam / adam[0], 1e-9, **details),
    ]


def _check_scalar(rng: np.random.Generator, seed: int) -> list[Check]:
    """Below e = 1 too sharp a minimum is left for one that is flat enough; beyond, the two-cycle attracts."""
    checks: list[Check] = []
    for e in (0.5, 0.7, 0.9):
        sigma = float(rng.uniform(0.5, 2))
        details: dict[str, Any] = {"seed": seed, "note": f"e = {e:g}, sigma = {sigma:.3f}"}
        limit = 2 * sigma / e
        # A minimum 10 % too sharp, and a small step off it.
        a, b = scalar_descent(sigma, e, *_scalar_minimum(sigma, 1.1 * limit), 600)[-1]
        checks += [
            at_most("SGD: sharpness a^2 + b^2 below 2/eta", limit, a * a + b * b, **details),
            compare("SGD: the flatter minimum", sigma, a * b, 1e-10, **details),
        ]
    for e in (1.1, 1.15, 1.2):
        sigma = float(rng.uniform(0.5, 2))
        details = {"seed": seed, "note": f"e = {e:g}, sigma = {sigma:.3f}"}
        a, b = np.sqrt(sigma) * rng.uniform(0.6, 1.1, 2)
        run, seconds = timed(partial(scalar_descent, sigma, e, a, b, 600))
        cycle, instant = timed(partial(two_cycle, e), repeats=20)
        clock: dict[str, Any] = {"seconds": seconds, "speedup": seconds / instant}
        products = np.sort(run[-2:].prod(axis=1)) / sigma
        checks += [
            compare("SGD: two-cycle a b / sigma", np.array(cycle), products, 1e-12, **clock, **details),
            compare("SGD: two-cycle is balanced", 0.0, float(abs(run[-1, 0] - run[-1, 1])), 1e-12, **details),
        ]
    for e in (1.1, 0.99 * LAST, 1.01 * LAST):
        a = float(np.sqrt(two_cycle(e)[0]))
        distance = scalar_descent(1.0, e, a * (1 + 1e-7), a * (1 + 1e-7), 4)[:, 0] - a
        predicted, measured = float(two_cycle_multiplier(e)), float(distance[4] / distance[2])
        name, note = "SGD: multiplier of the two-cycle", f"e = {e:.4f}"
        checks.append(compare(name, predicted, measured, 1e-5, seed=seed, note=note))
    return checks


def figure(seed: int = 0, depth: int | None = None) -> Any:
    """Draw the scalar problem against its step size, its sharpness over time, and the order of learning.

    `depth` is the number of layers of the autoencoder, None for 3.
    """
    rng, N = np.random.default_rng(seed), depth or 3
    drawing, (left, middle, right) = figures.new_figure(
        "A finite step: minima that are too sharp repel, cycles follow, and Adam learns all modes at once "
        "(lines: theory, points: training)",
        ("Last 8 of 800 steps of SGD", r"rate times target, $e = \eta\sigma$", r"$ab/\sigma$ (no unit)"),
        ("From minima 10 % too sharp", "steps of SGD", r"sharpness $(a^2 + b^2)\,\eta/2$ (stable below 1)"),
        (f"Autoencoder of {N} layers", r"$\lambda_1/\lambda_i$ (no unit)", "step at half strength / that of mode 1"),
    )
    stable, cycling = np.linspace(0.85, 1, 2), np.linspace(1 + 1e-9, 1.27, 200)
    figures.prediction(left, 0, stable, np.ones(2), "minimum")
    for i, branch in enumerate(two_cycle(cycling)):
        figures.prediction(left, 2, cycling, branch, None if i else "two-cycle")
    left.axvline(LAST, color="#7d7d7d", linewidth=0.8)
    left.annotate(r"$\sqrt{5} - 1$", (LAST, 1.0), textcoords="offset points", xytext=(-34, 0), fontsize=8)
    for e in np.linspace(0.89, 1.25, 19):
        last = scalar_descent(1.0, e, 0.9, 0.8, 800)[-8:].prod(axis=1)
        figures.measurement(left, 2 if e > 1 else 0, np.full(8, e), last)
    for i, e in enumerate((0.5, 0.7, 0.9)):
        run = scalar_descent(1.0, e, *_scalar_minimum(1.0, 2.2 / e), 260)[::6]
        figures.measurement(middle, i, 6 * np.arange(len(run)), (run**2).sum(axis=1) * e / 2, f"e = {e:g}")
    figures.prediction(middle, 5, [0, 260], [1, 1], r"$2/\eta$")
    axes = np.eye(len(VARIANCES))
    expected = VARIANCES[0] / VARIANCES
    runs = (
        ("SGD", half_steps(VARIANCES, axes, N, SGD(0.01), DESCENT_STEPS)),
        ("Adam, aligned", half_steps(VARIANCES, axes, N, Adam(0.005, epsilon=1e-100), ADAM_STEPS)),
        ("Adam, random basis", half_steps(VARIANCES, orthonormal_columns(rng, 6, 6), N, Adam(0.005), 1500)),
    )
    figures.prediction(right, 0, expected, expected, r"proportional to $1/\lambda_i$")
    figures.prediction(right, 1, expected, np.ones(6), "all at once")
    for i, (label, steps) in enumerate(runs):
        figures.measurement(right, i, expected, steps / steps[0], label)
    for axis in (left, middle, right):
        figures.legend(axis)
    return drawing
