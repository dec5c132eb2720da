"""T5. What training conserves (Arora, Cohen, Hazan 2018; Du, Hu, Lee 2018).

Hypotheses: a deep linear network, N >= 2, any differentiable loss of the product
W_N ... W_1 alone, any start; weight decay `(mu/2) sum |W_j|^2` may be added.

Statement, with `D_j = W_{j+1}^T W_{j+1} - W_j W_j^T` and I(F) the same expression in other matrices:

    gradient flow conserves D_j; under decay D_j(t) = exp(-2 mu t) D_j(0);
    gradient descent, stochastic or not: D+ = (1 - rate mu)^2 D + rate^2 I(G), exactly;
    heavy ball: D+ - D = beta (D - D-) + I(M+) + beta I(M), exactly, M the last step taken;
    its continuous form W'' + gamma W' = -G: D'' + gamma D' = 2 I(W').

So in a time T descent drifts by `rate C`, C the integral of I(G) along the flow, to
first order in the rate, and momentum by `(1 + beta)/(1 - beta)` times that at the
same effective rate, rate/(1 - beta). Adam conserves none of this, even as its rate goes
to zero: `adam_imbalance` says what it conserves in a scalar network. The closed forms
and their derivation are in `lab/drift`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minirmae.arrays import Array, asarray, asnumpy, device_of
from minirmae.layers import Layer, Sequential
from minirmae.objectives import Objective
from minirmae.optimizers import SGD, Adam, Momentum, Optimizer
from minirmae.theory.lab import figures
from minirmae.theory.lab.drift import (
    adam_imbalance,
    decayed_imbalance,
    descent_imbalance,
    flattened,
    leading_drift,
    momentum_imbalance,
)
from minirmae.theory.lab.dynamics import gradient_flow, train
from minirmae.theory.lab.integrator import integrate
from minirmae.theory.lab.losses import log_cosh_loss
from minirmae.theory.lab.networks import (
    add_decay,
    end_to_end,
    factors_of,
    imbalance,
    linear_network,
    quadratic_loss,
    regression,
)
from minirmae.theory.lab.result import Check, at_least, compare, timed

WIDTHS = (4, 5, 3, 6, 4)
"""Layer widths of the checks; deeper networks repeat the inner ones."""

DEPTHS = (2, 3, 4)
"""Numbers of layers of the checks, one for each seed."""

MU, BETA, RATE = 0.2, 0.5, 0.001
"""Weight decay, momentum and learning rate of the checks."""


def _problem(depth: int, rng: np.random.Generator) -> tuple[Sequential, Array, Array]:
    """A random network, and 12 samples of a regression."""
    if depth < 2:
        raise ValueError("balancedness: D_j compares neighbouring layers, so it needs a depth of at least 2; got 1")
    inner = [WIDTHS[1 + i % (len(WIDTHS) - 2)] for i in range(depth - 1)]
    widths = [WIDTHS[0], *inner, WIDTHS[-1]]
    shapes = zip(widths[1:], widths[:-1], strict=True)
    model = linear_network([rng.normal(size=shape) / np.sqrt(shape[1]) for shape in shapes])
    x = 0.7 * rng.normal(size=(12, widths[0]))
    return model, x, x @ rng.normal(size=(widths[0], widths[-1])) / 2


def _drift(model: Sequential, x: Array, y: Array, optimizer: Optimizer, steps: int) -> Array:
    """Change of all D_j, flattened, in a training run on the whole batch; the model is left as it is."""
    path = train(model.astype(model.dtype), regression(y), x, optimizer, steps, every=steps)
    change: Array = np.diff(_imbalances(model, path.values), axis=0)[0]
    return change


def _scalar(a: float, b: float, sigma: float, optimizer: Optimizer, steps: int, mu: float = 0.0) -> tuple[Array, Array]:
    """Steps, and a^2 - b^2 of the network y = a b x trained towards sigma."""
    model = linear_network([np.array([[b]]), np.array([[a]])])
    objective = add_decay(end_to_end(quadratic_loss(np.eye(1), np.array([[sigma]]))), mu)
    path = train(model, objective, np.eye(1), optimizer, steps)
    return path.times, path.values[:, 1] ** 2 - path.values[:, 0] ** 2


def _heavy_ball(model: Sequential, objective: Objective, x: Array, times: Array, gamma: float) -> tuple[Array, Array]:
    """Both sides of the heavy ball's law, integrated once: D' + gamma (D - D(0)) and 2 times the integral of I(W')."""
    moving, p = model.astype(model.dtype), len(model.values)

    def field(t: float, state: Array) -> Array:
        moving.values[...], moving.grads[...] = state[:p], 0
        objective(moving, x, None)[1]()
        velocity = state[p : 2 * p]
        return np.concatenate([velocity, -gamma * velocity - moving.grads, _imbalances(model, velocity)])

    D = _imbalances(model, model.values)
    states = integrate(field, np.concatenate([model.values, np.zeros(p + len(D))]), times).states
    w, v, integral = np.split(states, [p, 2 * p], axis=1)
    # D' is the part of I(w + v) that is linear in v.
    slope = _imbalances(model, w + v) - _imbalances(model, w) - _imbalances(model, v)
    return slope + gamma * (_imbalances(model, w) - D), 2 * integral


def _imbalances(model: Sequential, values: Array) -> Array:
    """All D_j of flat vectors (..., p), flattened."""
    return flattened(imbalance(factors_of(model, values)))


def check(seed: int = 0, depth: int | None = None, quick: bool = False) -> list[Check]:
    """Compare the drift laws with the flow and with training runs; ValueError if `depth` is 1."""
    checks: list[Check] = []
    for offset in range(1 if quick else len(DEPTHS)):
        layers = depth or DEPTHS[offset]
        rng = np.random.default_rng(seed + offset)
        details: dict[str, Any] = {"seed": seed + offset, "note": f"{layers} layers"}
        model, x, y = _problem(layers, rng)
        checks += _check_flows(model, x, y, details)
        checks += _check_steps(model, x, y, rng, details)
        checks += _check_drift(model, x, y, details)
        checks += _check_adam(model, x, y, rng, details)
    return checks


def _check_flows(model: Sequential, x: Array, y: Array, details: dict[str, Any]) -> list[Check]:
    """Conservation for two losses, decay under weight decay, and the heavy ball in continuous time."""
    times, target = np.linspace(0, 3, 31), y.T @ x / len(x)

    def flow(objective: Objective, x: Array, mu: float) -> Array:
        return _imbalances(model, gradient_flow(model, objective, x, times, decay=mu).values)

    start = imbalance(factors_of(model))
    constant = np.tile(flattened(start), (len(times), 1))
    decayed, seconds = timed(lambda: flow(regression(y), x, MU))
    law, instant = timed(lambda: [decayed_imbalance(times, D, MU) for D in start], repeats=20)
    clock: dict[str, Any] = {"seconds": seconds, "speedup": seconds / instant}
    left, right = _heavy_ball(model, regression(y), x, times, gamma=1.0)
    inputs = np.eye(x.shape[1])
    return [
        compare("flow: squared error", constant, flow(regression(y), x, 0.0), 1e-10, **details),
        compare(
            "flow: log cosh loss", constant, flow(end_to_end(log_cosh_loss(target)), inputs, 0.0), 1e-10, **details
        ),
        compare("flow: decay", flattened(law), decayed, 1e-10, **clock, **details),
        compare("flow: heavy ball", right, left, 1e-10, **details),
    ]


def _check_steps(
    model: Sequential, x: Array, y: Array, rng: np.random.Generator, details: dict[str, Any]
) -> list[Check]:
    """The exact laws, at every one of 200 steps on mini-batches."""
    gradients: list[Array] = []

    def minibatch(model: Layer, x: Array, _: np.random.Generator | None = None) -> tuple[Array, Callable[[], None]]:
        rows = rng.choice(len(x), 4, replace=False)
        loss, backward = regression(y[rows])(model, x[asarray(rows, device_of(x))], None)

        def recorded() -> None:
            backward()
            gradients.append(asnumpy(model.grads.copy()))

        return loss, recorded

    path = train(model.astype(model.dtype), add_decay(minibatch, MU), x, SGD(0.02), 200)
    D = imbalance(factors_of(model, path.values))
    after = descent_imbalance([d[:-1] for d in D], factors_of(model, np.array(gradients)), 0.02, MU)
    first = compare("SGD: every step", flattened(after), flattened(D)[1:], 1e-12, **details)

    path = train(model.astype(model.dtype), minibatch, x, Momentum(0.005, 0.9), 200)
    D = imbalance(factors_of(model, path.values))
    moves = factors_of(model, np.diff(path.values, axis=0, prepend=path.values[:1]))
    before = [np.concatenate([d[:1], d[:-2]]) for d in D]
    after = momentum_imbalance([d[:-1] for d in D], before, [m[1:] for m in moves], [m[:-1] for m in moves], 0.9)
    return [first, compare("Momentum: every step", flattened(after), flattened(D)[1:], 1e-12, **details)]


def _check_drift(model: Sequential, x: Array, y: Array, details: dict[str, Any]) -> list[Check]:
    """Drift over rate tends to `(1 + beta)/(1 - beta) C`: half the rate leaves half the distance."""
    duration = 0.6
    C = leading_drift(model, regression(y), x, duration)

    def distance(rate: float, beta: float) -> float:
        drift = _drift(model, x, y, Momentum(rate * (1 - beta), beta), round(duration / rate))
        return float(np.linalg.norm(drift / rate - (1 + beta) / (1 - beta) * C))

    ratios = [distance(RATE, beta) / distance(RATE / 2, beta) for beta in (0.0, BETA)]
    names = "SGD: drift, distance to rate C", "Momentum: drift, distance to 3 rate C"
    pairs = zip(names, ratios, strict=True)
    return [compare(f"{name}, rate over half rate", 2.0, ratio, 0.1, **details) for name, ratio in pairs]


def _check_adam(
    model: Sequential, x: Array, y: Array, rng: np.random.Generator, details: dict[str, Any]
) -> list[Check]:
    """Adam drifts at any rate; in a scalar network, along its own closed form."""
    coarse, fine = (float(np.linalg.norm(_drift(model, x, y, Adam(r), round(1 / r)))) for r in (1e-2, 1e-3))
    a, b, sigma = 1.0 + rng.uniform(0, 0.3), rng.uniform(0.3, 0.6), 2.0

    def distance(rate: float) -> float:
        times, D = _scalar(a, b, sigma, Adam(rate, beta2=0.95), round(0.2 / rate))
        return float(abs(D - adam_imbalance(rate * times, a, b, sigma)).max())

    return [
        at_least("Adam: drift left at a tenth of the rate", 0.5, fine / coarse, **details),
        compare("Adam: scalar drift, rate over half rate", 2.0, distance(2e-4) / distance(1e-4), 0.1, **details),
    ]


def figure(seed: int = 0, depth: int | None = None) -> Any:
    """Draw the imbalance of a scalar network in time, and the drift of one of 3 or `depth` layers against the rate."""
    model, x, y = _problem(depth or 3, np.random.default_rng(seed))
    left_label = "imbalance $a^2 - b^2$ (weight squared)"
    right_label = r"effective rate (rate$\,/\,(1-\beta)$; Adam: rate)"
    drawing, (left, right) = figures.new_figure(
        "The flow conserves the imbalance, descent almost does, decay forgets it, Adam increases it",
        ("$y = a b x$, target 2, from a = 1.2, b = 0.4", r"time (steps $\times$ rate)", left_label),
        (f"{depth or 3} layers, random start, after time 0.6", right_label, "drift of all $D_j$ (Frobenius norm)"),
    )
    a, b, sigma, rate, dense = 1.2, 0.4, 2.0, 0.002, np.linspace(0, 2, 401)
    start = np.array([[a * a - b * b]])
    runs: list[tuple[str, Array, Optimizer, float]] = [
        ("SGD", decayed_imbalance(dense, start, 0.0).ravel(), SGD(rate), 0.0),
        (r"SGD, decay $\mu$ = 0.5", decayed_imbalance(dense, start, 0.5).ravel(), SGD(rate), 0.5),
        ("Adam", adam_imbalance(dense, a, b, sigma), Adam(rate, beta2=0.95), 0.0),
    ]
    for i, (name, law, optimizer, mu) in enumerate(runs):
        times, D = _scalar(a, b, sigma, optimizer, 1000, mu)
        figures.prediction(left, i, dense, law, name)
        figures.measurement(left, i, rate * times[::50], D[::50])

    size = float(np.linalg.norm(leading_drift(model, regression(y), x, 0.6)))
    rates = np.geomspace(6e-4, 1e-2, 6)
    for i, beta in enumerate((0.0, 0.5, 0.9)):
        drifts = [_drift(model, x, y, Momentum(rate * (1 - beta), beta), round(0.6 / rate)) for rate in rates]
        law = (1 + beta) / (1 - beta) * size * rates
        figures.prediction(right, i, rates, law, f"momentum {beta:g}" if beta else "SGD")
        figures.measurement(right, i, rates, np.linalg.norm(drifts, axis=1))
    drifts = [_drift(model, x, y, Adam(rate), round(0.6 / rate)) for rate in rates]
    figures.measurement(right, 3, rates, np.linalg.norm(drifts, axis=1), "Adam (no such law)")
    right.set_xscale("log")
    right.set_yscale("log")
    figures.legend(left, (0.5, 0.6))
    figures.legend(right, (0.03, 0.62))
    return drawing
