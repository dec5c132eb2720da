"""T8. Matrix sensing: the exact entropic limit (Gunasekar, Woodworth, Bhojanapalli, Neyshabur, Srebro 2017).

Hypotheses: measurements y_k = <A_k, X> of a symmetric X, at least 0, with symmetric
A_k that commute, A_k = O diag(a_k) O^T; the loss sum_k (<A_k, X> - y_k)^2 / 2; X = W_2 W_1
from W_1 = W_2 = alpha I; gradient flow. (The layers stay transposes of each
other, so this is X = U U^T from U = alpha I, whose flow is twice as fast.)

Statement: X keeps the eigenvectors O, and its eigenvalues are

    x(t) = alpha^2 exp(2 sum_k nu_k(t) a_k),    nu_k' = y_k - a_k^T x.

If the loss tends to zero, the limit is therefore, at any alpha and exactly, the solution of

    x = alpha^2 exp(2 a^T nu),  a x = y:    the smallest sum_i x_i ln(x_i / (e alpha^2)) with a x = y,

found by Newton's method on the concave dual (`lab/entropic`). As alpha -> 0 it tends to the
smallest trace, slowly: b = nu / ln(1/alpha), scaled down until a^T b <= 1,
certifies `b^T y <= smallest trace`, and

    trace x - b^T y <= n max(1, max x) / (2 e ln(1/alpha)).

For a fixed alpha the limit is not of smallest trace, and is not compared with it.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from minirmae.arrays import Array, array_module
from minirmae.theory.lab import figures
from minirmae.theory.lab.dynamics import Path, gradient_flow
from minirmae.theory.lab.entropic import EntropicLimit, entropic_limit, entropic_point, smallest_sum_bound
from minirmae.theory.lab.initial import orthonormal_columns
from minirmae.theory.lab.integrator import integrate
from minirmae.theory.lab.modes import mode_coupling, mode_strengths
from minirmae.theory.lab.networks import EndToEndLoss, end_to_end, factors_of, linear_network, product
from minirmae.theory.lab.placement import resident
from minirmae.theory.lab.result import Check, at_least, at_most, compare, timed
from minirmae.validation import require_ndim, require_positive_int, require_shape

SIZES = ((4, 2), (8, 3), (6, 3))
"""(dimension n, measurements m) of the checks, one for each seed."""
ALPHAS = (0.1, 0.01, 0.001)
LONGEST = 60.0
"""A random problem whose flow takes longer to settle is drawn again."""


def common_eigenvectors(measurements: Array) -> tuple[Array, Array]:
    """Return O (n, n) and a (m, n) with `A_k = O diag(a_k) O^T`.

    Args:
        measurements: A, (m, n, n).

    Raises ValueError if the A_k are not symmetric or do not commute, which the theorem needs.

    >>> O, a = common_eigenvectors(np.array([[[0.0, 1.0], [1.0, 0.0]], [[2.0, 0.0], [0.0, 2.0]]]))
    >>> np.sort(a, axis=1)
    array([[-1.,  1.],
           [ 2.,  2.]])
    """
    where = "common_eigenvectors"
    require_ndim(where, "measurements", measurements, 3, "(m, n, n)")
    m, n, _ = measurements.shape
    require_shape(where, "measurements", measurements, (m, n, n))
    size = max(float(abs(measurements).max()), np.finfo(float).tiny)
    if abs(measurements - measurements.swapaxes(1, 2)).max() > 1e-12 * size:
        raise ValueError(f"{where}: the measurement matrices A_k must be symmetric")
    products = np.einsum("kab,lbc->klac", measurements, measurements)
    if abs(products - products.swapaxes(0, 1)).max() > 1e-10 * size**2:
        raise ValueError(f"{where}: the measurement matrices A_k must commute; otherwise the flow has no known limit")
    # A generic combination of commuting matrices has only their common eigenvectors.
    weights = np.sqrt(np.arange(1, m + 1) + 0.6180339887)
    _, O = np.linalg.eigh(np.einsum("k,kab->ab", weights, measurements))
    return O, np.einsum("ai,kab,bi->ki", O, measurements, O)


def eigenvalue_flow(a: Array, y: Array, log_scale: float, times: Array) -> Array:
    """Return the eigenvalues x (T, n) of the same flow, from the m equations `nu_k' = y_k - a_k^T x` alone."""
    nu = integrate(lambda t, nu: y - a @ entropic_point(a, nu, log_scale), np.zeros(len(a)), times).states
    return np.array([entropic_point(a, row, log_scale) for row in nu])


def sensing_loss(measurements: Array, y: Array) -> EndToEndLoss:
    """Return `X -> (L, G)`, `L = sum_k (<A_k, X> - y_k)^2 / 2`, for measurements (m, n, n) and y (m,)."""

    constants = resident(measurements, y)

    def loss(X: Array) -> tuple[float, Array]:
        xp, (A, values) = array_module(X), constants(X)
        residual = xp.einsum("kab,ab->k", A, X) - values
        return (residual @ residual).item() / 2, xp.einsum("k,kab->ab", residual, A)

    return loss


def sensing_flow(measurements: Array, y: Array, alpha: float, times: Array) -> tuple[Array, Path]:
    """Return X (T, n, n) at `times`, and the path of the layers: the flow of W_2 W_1 from W_1 = W_2 = alpha I.

    Raises ValueError unless alpha > 0, and what `gradient_flow` raises.
    """
    if not alpha > 0:
        raise ValueError(f"sensing_flow: alpha must be positive, got {alpha!r}: zero is a stationary point")
    identity = np.eye(measurements.shape[1])
    model = linear_network([alpha * identity, alpha * identity])
    path = gradient_flow(model, end_to_end(sensing_loss(measurements, y)), identity, times)
    return product(factors_of(model, path.values)), path


def random_sensing(rng: np.random.Generator, n: int, m: int) -> tuple[Array, Array]:
    """Return commuting measurements A (m, n, n), the first positive definite, and y (m,) of a positive definite X.

    The positive one keeps the traces of all X >= 0 with these measurements bounded.
    """
    require_positive_int("random_sensing", n=n, m=m)
    O = orthonormal_columns(rng, n, n)
    a = np.concatenate([rng.uniform(0.5, 1.5, (1, n)), rng.standard_normal((m - 1, n))])
    return np.einsum("ai,ki,bi->kab", O, a, O), a @ rng.uniform(0.2, 1.0, n)


def _problem(rng: np.random.Generator, n: int, m: int) -> tuple[Array, Array, Array, Array]:
    """A random problem that settles soon, with its O and a: the flow is as slow as its smallest curvature."""
    while True:
        A, y = random_sensing(rng, n, m)
        O, a = common_eigenvectors(A)
        if _settling_time(a, y, entropic_limit(a, y, math.log(1 / min(ALPHAS)))) < LONGEST:
            return A, y, O, a


def _settling_time(a: Array, y: Array, limit: EntropicLimit) -> float:
    """Time to leave the plateau at alpha, and to fall 13 orders of magnitude at the slowest rate of the limit."""
    rate = 2 * np.linalg.eigvalsh((a * limit.x) @ a.T)[0]
    return float(3 * np.linalg.norm(limit.nu) / np.linalg.norm(y) + 30 / rate)


def _smallest_trace(a: Array, y: Array) -> float:
    """The smallest sum of x >= 0 with a x = y, by trying every vertex of that polytope (m columns at a time)."""
    best = math.inf
    for columns in itertools.combinations(range(a.shape[1]), len(a)):
        x = np.linalg.solve(a[:, columns], y)
        if (x >= 0).all():
            best = min(best, float(x.sum()))
    return best


def check(seed: int = 0, quick: bool = False) -> list[Check]:
    """Compare the limit and the way to it with the flow of the matrices, and alpha -> 0 with the smallest trace."""
    checks: list[Check] = []
    for offset, (n, m) in enumerate(SIZES[: 1 if quick else None]):
        rng = np.random.default_rng(seed + offset)
        A, y, O, a = _problem(rng, n, m)
        size = f"n = {n}, m = {m}"
        details: dict[str, Any] = {"seed": seed + offset, "note": size}
        far = entropic_limit(a, y, 1e5)
        trace = far.x.sum()
        checks.append(
            compare("trace at alpha = exp(-100000), best vertex", _smallest_trace(a, y), trace, 1e-8, **details)
        )
        for alpha in ALPHAS[: 1 if quick else None]:
            details = {"seed": seed + offset, "note": f"{size}, alpha = {alpha:g}"}
            checks += _check_flow(A, y, O, a, alpha, details)
    return checks


def _check_flow(A: Array, y: Array, O: Array, a: Array, alpha: float, details: dict[str, Any]) -> list[Check]:
    log_scale = math.log(1 / alpha)
    limit, instant = timed(lambda: entropic_limit(a, y, log_scale), repeats=5)
    times = np.linspace(0.0, _settling_time(a, y, limit), 41)
    (X, path), seconds = timed(lambda: sensing_flow(A, y, alpha, times))
    eigenvalues, trace = mode_strengths(O, X, O), float(np.trace(X[-1]))
    on_the_way = eigenvalue_flow(a, y, log_scale, times)
    bound = smallest_sum_bound(a, y, limit)
    largest_gap = len(O) * max(1.0, limit.x.max()) / (2 * math.e * log_scale)
    clock: dict[str, Any] = {"seconds": seconds, "speedup": seconds / instant}
    return [
        compare("eigenvalues in the limit, at finite alpha", limit.x, eigenvalues[-1], 1e-8, **clock, **details),
        compare("eigenvalues on the way", on_the_way, eigenvalues, 1e-8, **details),
        compare("eigenvectors do not move", 0.0, mode_coupling(O, X, O), 1e-9, **details),
        compare("energy identity of the flow", 0.0, path.energy_defect, 1e-9, **details),
        at_least("trace, certified bound", bound, trace, slack=1e-9, **details),
        at_most("trace above its certified bound", largest_gap, trace - bound, **details),
    ]


def figure(seed: int = 0) -> Any:
    """Draw the eigenvalues over time at one alpha, and the trace in the limit against ln(1/alpha)."""
    drawing, (left, right) = figures.new_figure(
        "Matrix sensing: the limit is exact at every start alpha, and of smallest trace only as alpha tends to 0",
        (r"Eigenvalues on the way, $\alpha$ = 0.01, n = 6, m = 3", "time t of the flow", "eigenvalue of X"),
        ("Trace in the limit", r"smallness of the start, ln(1/$\alpha$)", "trace of X"),
    )
    A, y, O, a = _problem(np.random.default_rng(seed), 6, 3)
    settled = _settling_time(a, y, entropic_limit(a, y, math.log(100)))
    times, dense = np.linspace(0, 0.4 * settled, 25), np.linspace(0, 0.4 * settled, 400)
    measured = mode_strengths(O, sensing_flow(A, y, 0.01, times)[0], O)
    predicted = eigenvalue_flow(a, y, math.log(100), dense)
    for i in range(6):
        figures.prediction(left, i, dense, predicted[:, i], f"$x_{i + 1}$")
        figures.measurement(left, i, times, measured[:, i])
    scales = np.linspace(0.5, 16, 120)
    limits = [entropic_limit(a, y, float(scale)) for scale in scales]
    figures.prediction(right, 0, scales, [limit.x.sum() for limit in limits], "entropic limit")
    figures.prediction(right, 1, scales, [smallest_sum_bound(a, y, limit) for limit in limits], "certified bound")
    figures.prediction(right, 3, scales[[0, -1]], [_smallest_trace(a, y)] * 2, "smallest trace")
    shown = np.linspace(1, 10, 7)
    traces = []
    for scale in shown:
        end = _settling_time(a, y, entropic_limit(a, y, float(scale)))
        traces.append(np.trace(sensing_flow(A, y, math.exp(-scale), np.array([0.0, end]))[0][-1]))
    figures.measurement(right, 0, shown, traces, "flow of the matrices")
    figures.legend(left, (0.8, 0.34))
    figures.legend(right)
    return drawing
