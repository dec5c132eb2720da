"""T11. The direction and the residual of logistic regression (Soudry, Hoffer, Nacson, Gunasekar, Srebro 2018).

Hypotheses: one linear layer without bias; the logistic loss, *summed* over
samples; rows z_n = y_n x_n that some plane through the origin separates;
every sample on the margin of the hard-margin separator has a positive
multiplier (true for almost all data); gradient flow, from any start.

Statement: the weights grow without end, along the hard-margin separator w^,

    w(t) = w^ ln t + w~ + o(1),      w^ = sum alpha_n z_n,

and the part of the residual w~ that lies in the span of the support vectors
is known: the margins of the support vectors become

    z_n^T w(t) = ln t - ln alpha_n + o(1),      so      z_n^T w~ = -ln alpha_n.

If the support vectors span the data, and the start lies in their span, that
is all of w~, whatever the start. The direction then errs by
`|P w~| / (|w^| ln t)` to leading order, P the projection across w^: the loss
falls like 1/t, but the angle like 1/ln t.

How fast the o(1) vanishes follows from linearising: like t^-r, r the least of
1, m - 1 and mu, where m is the smallest margin of a sample that is no support
vector, and mu the smallest non-zero eigenvalue of sum alpha_n z_n z_n^T. Gradient
descent with rate eta follows the same line at t = eta k.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minirmae.arrays import Array, array_module
from minirmae.layers import Layer
from minirmae.ops import binary_cross_entropy_with_logits
from minirmae.optimizers import SGD
from minirmae.theory.lab import figures
from minirmae.theory.lab.dynamics import train
from minirmae.theory.lab.integrator import integrate
from minirmae.theory.lab.max_margin import Separator, max_margin, separable_data, unit
from minirmae.theory.lab.networks import factors_of, linear_network
from minirmae.theory.lab.result import Check, compare, timed

SIZES = ((3, 3, 3), (5, 5, 4), (4, 2, 5))
"""(inputs, support vectors, other samples) of the checks, one for each seed."""

STEPS = 40_000
"""Length of the training runs."""


def logistic_asymptote(Z: Array) -> tuple[Separator, Array]:
    """Return the separator w^ and the residual w~ in the span of its support vectors.

    Args:
        Z: (samples, inputs), rows y_n x_n.

    Returns the certified separator and w~ (inputs,), the shortest solution of
    `z_n^T w~ = -ln alpha_n` over the support vectors.

    Raises ValueError if the data are not separable, or a sample lies on the
    margin with multiplier 0: there the residual is not bounded.

    >>> separator, residual = logistic_asymptote(np.array([[2.0, 0.0], [0.0, 1.0], [9.0, 9.0]]))
    >>> separator.direction.round(12), residual.round(6)
    (array([0.5, 1. ]), array([0.693147, 0.      ]))
    """
    separator = max_margin(Z)
    if separator.next_margin < 1 + 1e-9:
        raise ValueError(
            "logistic_asymptote: every sample on the margin must have a positive multiplier, but one has 0; "
            "the residual then grows like ln ln t: move the data by any small amount"
        )
    S = separator.support
    residual = np.linalg.lstsq(Z[S], -np.log(separator.multipliers[S]), rcond=None)[0]
    return separator, residual


def logistic_weights(t: ArrayLike, Z: Array) -> Array:
    """Return the asymptotic weights `w^ ln t + w~` for flows that start in the span of the data.

    Args:
        t: times, positive, any shape; eta times the number of steps for gradient descent.
        Z: (samples, inputs), rows y_n x_n.

    Returns an array of shape `t.shape + (inputs,)`.

    Raises ValueError if a time is not positive, the support vectors do not span
    the data (w~ then depends on the start), or `logistic_asymptote` refuses.

    >>> logistic_weights([1.0, np.e], np.array([[2.0, 0.0], [0.0, 1.0]])).round(4)
    array([[0.6931, 0.    ],
           [1.1931, 1.    ]])
    """
    times = np.asarray(t, dtype=float)
    if not (times > 0).all():
        raise ValueError("logistic_weights: times must be positive: the asymptote is a line in ln t")
    separator, residual = logistic_asymptote(Z)
    if len(separator.support) < np.linalg.matrix_rank(Z):
        raise ValueError(
            f"logistic_weights: the {len(separator.support)} support vectors must span the data (rank "
            f"{np.linalg.matrix_rank(Z)}), or the residual depends on the start; logistic_asymptote gives what does not"
        )
    return _line(np.log(times), separator, residual)


def _line(log_times: Array, separator: Separator, residual: Array) -> Array:
    line: Array = log_times[..., None] * separator.direction + residual
    return line


def logistic_flow(Z: Array, start: Array, log_times: Array) -> Array:
    """Integrate `w' = sum_n z_n / (1 + exp(z_n^T w))` from t = 0; return w at `ln t = log_times`, (T, inputs).

    The clock is q = ln(1 + t): the forces fall like 1/t, so in q they stay of one size.
    """

    def field(q: float, w: Array) -> Array:
        return np.exp(q - np.logaddexp(0.0, Z @ w)) @ Z

    clock = np.concatenate([[0.0], np.logaddexp(0.0, log_times)])
    return integrate(field, start, clock).states[1:]


def logistic_descent(Z: Array, rate: float, steps: int, every: int = 1) -> Array:
    """Train one bias-free `Linear` from zero by SGD on the summed logistic loss; return w at the recorded steps."""

    def objective(model: Layer, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Callable[[], None]]:
        logits, model_backward = model(x, rng)
        loss, loss_backward = binary_cross_entropy_with_logits(logits, array_module(logits).ones_like(logits))

        def backward() -> None:
            model_backward(loss_backward(float(len(x))))

        return loss * len(x), backward

    model = linear_network([np.zeros((1, Z.shape[1]))])
    path = train(model, objective, Z, SGD(rate), steps, every)
    return factors_of(model, path.values)[0][:, 0]


def check(seed: int = 0, quick: bool = False) -> list[Check]:
    """Compare the separator with a planted one, and its logarithmic line with the flow and with gradient descent."""
    checks: list[Check] = []
    for offset, sizes in enumerate(SIZES[: 1 if quick else None]):
        rng = np.random.default_rng(seed + offset)
        Z, planted = separable_data(rng, *sizes)
        note = f"{len(Z)} samples, {sizes[1]} support vectors, {sizes[0]} inputs"
        details: dict[str, Any] = {"seed": seed + offset, "note": note}
        separator, residual = logistic_asymptote(Z)
        checks += [
            compare("separator: certified gap", 0.0, separator.gap, 1e-10, **details),
            compare("separator: planted multipliers", planted.multipliers, separator.multipliers, 1e-10, **details),
            *_check_flow(Z, separator, residual, rng, details),
            _check_rate(rng, sizes, details),
            _check_descent(Z, separator, details),
        ]
    return checks


def _check_flow(
    Z: Array, separator: Separator, residual: Array, rng: np.random.Generator, details: dict[str, Any]
) -> list[Check]:
    """Margins of the support vectors, and all of w if they span the data, at ln t from 22 to 44."""
    start = rng.normal(size=Z.shape[1]) @ np.linalg.pinv(Z) @ Z
    log_times = np.linspace(22.0, 44.0, 12)
    w, seconds = timed(lambda: logistic_flow(Z, start, log_times))
    line, instant = timed(lambda: _line(log_times, separator, residual), repeats=20)
    clock: dict[str, Any] = {"seconds": seconds, "speedup": seconds / instant}
    rows = Z[separator.support]
    checks = [compare("flow: margins of support vectors", line @ rows.T, w @ rows.T, 1e-6, **clock, **details)]
    if len(rows) == Z.shape[1]:
        checks.append(compare("flow: direction", unit(line), unit(w), 1e-7, **details))
    return checks


def _check_rate(rng: np.random.Generator, sizes: tuple[int, int, int], details: dict[str, Any]) -> Check:
    """Data with mu = 1/2: the distance of the margins from their line must fall like t^-1/2."""
    Z, separator = separable_data(rng, *sizes, mu=(0.5, 0.5))
    rows, log_times = Z[separator.support], np.array([14.0, 20.0])
    w, seconds = timed(lambda: logistic_flow(Z, np.zeros(sizes[0]), log_times))
    line = log_times[:, None] - np.log(separator.multipliers[separator.support])
    early, late = np.linalg.norm(w @ rows.T - line, axis=1)
    measured = float(np.log(early / late) / np.diff(log_times)[0])
    return compare("flow: exponent of the approach", 0.5, measured, 1e-2, seconds=seconds, **details)


def _check_descent(Z: Array, separator: Separator, details: dict[str, Any]) -> Check:
    """Residual of the support vectors' margins after a training run with the library's layer, loss and SGD."""
    rate = float(7 / np.linalg.norm(Z, 2) ** 2)
    w, seconds = timed(lambda: logistic_descent(Z, rate, STEPS, STEPS)[-1])
    S = separator.support
    predicted = np.log(rate * STEPS) - np.log(separator.multipliers[S])
    name = "SGD: margins of support vectors"
    return compare(name, predicted, Z[S] @ w, 1e-3, seconds=seconds, **details)


def figure(seed: int = 0) -> Any:
    """Draw the margins against ln t, and the slow error of the direction."""
    rng = np.random.default_rng(seed)
    Z, _ = separable_data(rng, 3, 3, 6)
    separator, residual = logistic_asymptote(Z)
    drawing, (left, right) = figures.new_figure(
        "Logistic regression: the weights run along the separator like ln t, a known residual beside it "
        "(lines: theory, points: training)",
        (
            "Support vectors, SGD from zero",
            r"time t = steps $\times$ rate",
            r"margin $z_n^T w$ (log-odds)",
        ),
        ("Direction, flow from zero", "time t of the flow", r"$|\,w/|w| - \hat w/|\hat w|\,|$ (no unit)"),
    )
    rate = float(7 / np.linalg.norm(Z, 2) ** 2)
    steps = np.unique(np.geomspace(10 / rate, 1e4, 12).round().astype(int))
    w = logistic_descent(Z, rate, 10_000)[steps]
    log_times = np.linspace(np.log(10), 40, 300)
    for i, n in enumerate(separator.support):
        label = rf"$\alpha$ = {separator.multipliers[n]:.2f}"
        figures.prediction(left, i, np.exp(log_times), log_times - np.log(separator.multipliers[n]), label)
        figures.measurement(left, i, rate * steps, w @ Z[n])
    sparse = np.linspace(2, 40, 20)
    flow = logistic_flow(Z, np.zeros(3), sparse)

    def errors(weights: Array) -> Array:
        return np.linalg.norm(unit(weights) - unit(separator.direction), axis=-1)

    along = unit(separator.direction)
    leading = np.linalg.norm(residual - residual @ along * along) / np.linalg.norm(separator.direction)
    figures.prediction(right, 0, np.exp(log_times), errors(_line(log_times, separator, residual)), "with residual")
    figures.prediction(right, 3, np.exp(log_times), leading / log_times, r"leading order, $c/\ln t$")
    figures.measurement(right, 0, np.exp(sparse), errors(flow), "flow, integrated")
    left.set_xscale("log")
    left.set_xlim(8, 1e4)
    left.set_ylim(0, 11)
    right.set_xscale("log")
    right.set_yscale("log")
    figures.legend(left)
    figures.legend(right)
    return drawing
