"""T3. Two layers, the whole matrix (Fukumizu 1998; Braun, Domine, Fitzgerald, Saxe 2022; Domine et al. 2024).

Hypotheses: a network y = W_2 W_1 x; the loss |Y - W_2 W_1 X|^2 / 2P; gradient
flow; whitened inputs, Sxx = I; a *lambda-balanced* start, W_2^T W_2 - W_1 W_1^T = lam I.
Nothing has to be aligned, and the hidden layer may have any width.

Statement: the stacked layers Q = [W_1^T; W_2] obey a matrix Riccati equation,

    Q' = F Q - Q Q^T Q / 2,    F = [-lam/2 I, Syx^T; Syx, lam/2 I],

whose solution, up to a rotation of the hidden units, is Q(t) = e^{Ft} Q_0 M^(-1/2) with

    M(t) = I + Q_0^T (integral of e^{2Fs} ds from 0 to t) Q_0.

The lower left block of Q Q^T is the product W_2 W_1, its diagonal blocks are
the inner products W_1^T W_1 and W_2 W_2^T of the two representations.

In double precision M itself overflows or becomes singular. With
F = O diag(w) O^T, Z = O^T Q_0, phi(x) = (e^x - 1)/x and A = diag(sqrt(t phi(2wt))) Z we
have M = I + A^T A, which is R^T R for the triangular factor of a QR decomposition

    [A; I] = [C; B] R,    and so    Q(t) = O diag(1/sqrt(t phi(-2wt))) C:

part of an orthonormal matrix, times bounded numbers. No matrix is inverted, F may be
singular, and long times are taken in chunks only because e^{wt} itself overflows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minirmae.arrays import Array
from minirmae.optimizers import SGD
from minirmae.theory.lab import figures
from minirmae.theory.lab.dynamics import Path, gradient_flow, train
from minirmae.theory.lab.initial import lambda_balanced_factors, orthonormal_columns
from minirmae.theory.lab.networks import end_to_end, factors_of, linear_network, product, quadratic_loss, regression
from minirmae.theory.lab.result import Check, compare, timed
from minirmae.theory.t01_two_layer import two_layer_modes
from minirmae.validation import require_shape

RUNS = ((5, 3, 8, 0.7), (6, 2, 5, 0.0), (7, 5, 6, -0.8), (4, 7, 5, 0.0), (4, 4, 5, 3.0))
"""(inputs, hidden, outputs, lam) of the checks, one for each seed."""

RATE = 0.02
"""Learning rate of the training run; it is also run at half of it."""

_EXPONENT = 300.0
"""Largest |w| t of a chunk: e^300 squared is still far from overflow."""


def full_matrix_gram(t: ArrayLike, W1: Array, W2: Array, correlation: Array) -> Array:
    """Return Q Q^T at the times t, for the stacked layers Q = [W_1^T; W_2].

    Args:
        t: times, any shape, at least 0.
        W1: (hidden, inputs), the first layer at t = 0.
        W2: (outputs, hidden), the second; together lambda-balanced.
        correlation: Syx (outputs, inputs), of inputs with Sxx = I.

    Returns an array of shape `t.shape + (inputs + outputs, inputs + outputs)`, whose blocks
    are [W_1^T W_1, W_1^T W_2^T; W_2 W_1, W_2 W_2^T].

    Raises ValueError if shapes do not fit, a time is negative or not finite, or the start is not lambda-balanced.
    """
    where = "full_matrix_gram"
    lam = _lambda(where, W1, W2, correlation)
    times = np.asarray(t, dtype=float)
    if not ((times >= 0) & np.isfinite(times)).all():
        raise ValueError(f"{where}: times must be finite and at least 0: backwards the solution can blow up")
    inputs = W1.shape[1]
    F = lam / 2 * np.diag(np.sign(np.arange(inputs + len(W2)) - inputs + 0.5))
    F[inputs:, :inputs], F[:inputs, inputs:] = correlation, correlation.T
    w, O = np.linalg.eigh(F)
    Z = O.T @ np.concatenate([W1.T, W2])
    chunks = max(1, int(np.ceil(np.abs(w).max() * times.max(initial=0) / _EXPONENT)))
    steps = np.maximum(times.ravel(), 1e-100)[:, None] / chunks  # at t = 0 exactly, 0/0
    before, after = np.sqrt(steps * _phi(2 * w * steps))[..., None], np.sqrt(steps * _phi(-2 * w * steps))[..., None]
    identity = np.broadcast_to(np.eye(len(W1)), (len(steps), len(W1), len(W1)))
    for _ in range(chunks):
        rows = np.concatenate([before * Z, identity], axis=1)
        # Rows of very different size keep their own accuracy in a Householder QR if the largest come first.
        order = np.argsort(-np.abs(rows).max(axis=2), axis=1)[..., None]
        sorted_C, _ = np.linalg.qr(np.take_along_axis(rows, order, axis=1))
        Z = np.take_along_axis(sorted_C, np.argsort(order, axis=1)[:, : len(w)], axis=1) / after
    Q = O @ Z
    return (Q @ Q.swapaxes(1, 2)).reshape(*times.shape, len(w), len(w))


def full_matrix_product(t: ArrayLike, W1: Array, W2: Array, correlation: Array) -> Array:
    """Return W_2 W_1 at the times t, `t.shape + (outputs, inputs)`; arguments and errors as in `full_matrix_gram`.

    >>> W = full_matrix_product([0.0, 1.0, 9.0], np.array([[0.1]]), np.array([[0.1]]), np.array([[2.0]]))
    >>> W[:, 0, 0].round(4)
    array([0.01  , 0.4306, 2.    ])
    """
    inputs = W1.shape[1]
    return full_matrix_gram(t, W1, W2, correlation)[..., inputs:, :inputs]


def _phi(x: Array) -> Array:
    """(e^x - 1)/x, and 1 at 0."""
    zero = x == 0
    return np.where(zero, 1.0, np.expm1(x) / (x + zero))


def _lambda(where: str, W1: Array, W2: Array, correlation: Array) -> float:
    """The lambda of a lambda-balanced start, refusing any other."""
    hidden = len(W1)
    require_shape(where, "W2", W2, (len(correlation), hidden))
    require_shape(where, "correlation", correlation, (len(W2), W1.shape[1]))
    imbalance = W2.T @ W2 - W1 @ W1.T
    lam = float(np.trace(imbalance)) / hidden
    distance, size = np.abs(imbalance - lam * np.eye(hidden)).max(), max((W1**2).sum(), (W2**2).sum())
    if not distance <= 1e-9 * size:
        raise ValueError(
            f"{where}: the start must be lambda-balanced, W_2^T W_2 - W_1 W_1^T = lam I, but the two sides differ by "
            f"{distance:.1e} at best (lam = {lam:.3g}); see lambda_balanced_factors"
        )
    return lam


def _flow(factors: tuple[Array, Array], correlation: Array, times: Array) -> tuple[Array, Path]:
    """Q Q^T along the gradient flow (T, inputs + outputs, inputs + outputs), and the flow."""
    model, inputs = linear_network(factors), factors[0].shape[1]
    objective = end_to_end(quadratic_loss(np.eye(inputs), correlation, float((correlation**2).sum())))
    path = gradient_flow(model, objective, np.eye(inputs), times)
    W1, W2 = factors_of(model, path.values)
    Q = np.concatenate([W1.swapaxes(1, 2), W2], axis=1)
    return Q @ Q.swapaxes(1, 2), path


def _descent(
    rng: np.random.Generator, factors: tuple[Array, Array], correlation: Array, rate: float, steps: int, every: int = 1
) -> tuple[Array, Array]:
    """Times and products of a training run on white samples, two for each input."""
    inputs = correlation.shape[1]
    x = np.sqrt(2 * inputs) * orthonormal_columns(rng, 2 * inputs, inputs)
    model = linear_network(factors)
    path = train(model, regression(x @ correlation.T), x, SGD(rate), steps, every)
    return rate * path.times, product(factors_of(model, path.values))


def _correlation(rng: np.random.Generator, inputs: int, outputs: int) -> Array:
    """Syx with random bases and singular values from 2 to 0.3."""
    r = min(inputs, outputs)
    U, V = orthonormal_columns(rng, outputs, r), orthonormal_columns(rng, inputs, r)
    return (U * np.geomspace(2.0, 0.3, r)) @ V.T


def _start(rng: np.random.Generator, inputs: int, hidden: int, outputs: int, lam: float) -> tuple[Array, Array]:
    """A random lambda-balanced start, not aligned with anything."""
    r = min(inputs, hidden, outputs)
    return lambda_balanced_factors(
        0.03 * rng.normal(size=(outputs, r)) @ rng.normal(size=(r, inputs)), lam, hidden, rng
    )


def check(seed: int = 0, quick: bool = False) -> list[Check]:
    """Compare the closed form with the flow of both layers, with its limits, and with gradient descent."""
    checks: list[Check] = []
    for offset, (inputs, hidden, outputs, lam) in enumerate(RUNS[: 1 if quick else None]):
        rng = np.random.default_rng(seed + offset)
        correlation = _correlation(rng, inputs, outputs)
        factors = _start(rng, inputs, hidden, outputs, lam)
        details: dict[str, Any] = {"seed": seed + offset, "note": f"{inputs}-{hidden}-{outputs}, lam = {lam:g}"}
        checks += _check_flow(factors, correlation, details)
        checks += _check_limits(rng, factors, correlation, details)
    return [*checks, _check_descent(np.random.default_rng(seed), seed)]


def _check_flow(factors: tuple[Array, Array], correlation: Array, details: dict[str, Any]) -> list[Check]:
    """Product and representations against the flow, from first moves until long after the weakest mode is learned."""
    times, inputs = np.append(0.0, np.geomspace(0.5, 110.0, 5)), correlation.shape[1]
    (gram, path), seconds = timed(lambda: _flow(factors, correlation, times))
    closed, instant = timed(lambda: full_matrix_gram(times, *factors, correlation), repeats=40)
    W, M = closed[:, inputs:, :inputs], gram[:, inputs:, :inputs]
    return [
        compare("product W_2 W_1", W, M, 1e-9, seconds=seconds, speedup=seconds / instant, **details),
        compare("representations, Q Q^T", closed, gram, 1e-9, **details),
        compare("energy identity of the flow", 0.0, path.energy_defect, 1e-9, **details),
    ]


def _check_limits(
    rng: np.random.Generator, factors: tuple[Array, Array], correlation: Array, details: dict[str, Any]
) -> list[Check]:
    """At a late time the best approximation that fits through the hidden layer; from an aligned start T1."""
    U, s, Vt = np.linalg.svd(correlation, full_matrices=False)
    width = len(factors[0])
    best = (U[:, :width] * s[:width]) @ Vt[:width]
    late = full_matrix_product(5000.0, *factors, correlation)
    s0, times = rng.uniform(0.001, 0.1, len(s)), np.linspace(0, 8, 9)
    aligned = lambda_balanced_factors((U * s0) @ Vt, 0.0, len(s), rng)
    modes = (U * two_layer_modes(times, s0, s)[:, None]) @ Vt
    return [
        compare("late product: reduced-rank regression", best, late, 1e-9, **details),
        compare(
            "aligned start: the modes of T1", modes, full_matrix_product(times, *aligned, correlation), 1e-12, **details
        ),
    ]


def _check_descent(rng: np.random.Generator, seed: int) -> Check:
    """Gradient descent is first order in its rate: half the rate leaves half the distance to the flow."""
    correlation, factors = _correlation(rng, 4, 3), _start(rng, 4, 3, 3, 0.5)

    def distance(rate: float) -> float:
        times, W = _descent(rng, factors, correlation, rate, round(5 / rate))
        return float(np.abs(W - full_matrix_product(times, *factors, correlation)).max())

    ratio, seconds = timed(lambda: distance(RATE) / distance(RATE / 2))
    return compare("SGD: distance to flow, rate over half rate", 2.0, ratio, 0.1, seed=seed, seconds=seconds)


def figure(seed: int = 0) -> Any:
    """Draw entries of the product from a random start against training, and the loss for several lambda."""
    rng = np.random.default_rng(seed)
    drawing, (left, right) = figures.new_figure(
        "Two layers from any lambda-balanced start: the whole matrix in closed form (lines: theory, points: runs)",
        ("Four entries of the product, not aligned, SGD with rate 0.02", r"time t = steps $\times$ rate", "entry of W"),
        (r"Same product at t = 0, other balance: from rich to lazy", "time t of the flow", "loss / loss at t = 0"),
    )
    correlation, factors = _correlation(rng, 4, 4), _start(rng, 4, 4, 4, 0.0)
    dense = np.linspace(0, 12, 300)
    closed = full_matrix_product(dense, *factors, correlation)
    times, W = _descent(rng, factors, correlation, 0.02, 600, every=24)
    for i, entry in enumerate(((0, 0), (1, 2), (2, 1), (3, 3))):
        figures.prediction(left, i, dense, closed[:, *entry], f"$W_{{{entry[0] + 1}{entry[1] + 1}}}$")
        figures.measurement(left, i, times, W[:, *entry])

    start, times, dense = 1e-3 * rng.normal(size=(4, 4)), np.linspace(0, 6, 25), np.linspace(0, 6, 300)
    for i, lam in enumerate((0.0, 0.3, 1.0, 4.0)):
        factors = lambda_balanced_factors(start, lam, 4, rng)
        loss = ((full_matrix_product(dense, *factors, correlation) - correlation) ** 2).sum(axis=(1, 2))
        figures.prediction(right, i, dense, loss / loss[0], rf"$\lambda$ = {lam:g}")
        _, path = _flow(factors, correlation, times)
        figures.measurement(right, i, times, path.losses / path.losses[0])
    figures.legend(left, (0.75, 0.48))
    figures.legend(right, "upper right")
    return drawing
