"""T6. The product matrix and its singular values (Arora, Cohen, Hazan 2018; Arora, Cohen, Hu, Luo 2019).

Hypotheses: W = W_N ... W_1, hidden layers no narrower than the rank of W; any
differentiable loss of W alone, with gradient G; gradient flow on the layers; a
balanced start, W_{j+1}^T W_{j+1} = W_j W_j^T, aligned with nothing.

Statement: the product follows an equation of its own,

    W' = - sum over j = 1..N of (W W^T)^((N-j)/N) G (W^T W)^((j-1)/N),

which in the singular vectors of W = U S V^T multiplies entry (r, k) of U^T G V by

    C_rk = sum over j of s_r^(2(N-j)/N) s_k^(2(j-1)/N).

Its diagonal moves the singular values (Theorem 3 of the second paper):

    s_r' = -N s_r^(2 - 2/N) u_r^T G v_r.

The remainder turns the vectors. With K_rk = 1/(s_k^(2/N) - s_r^(2/N)), zero on the diagonal, and H = U^T G V,

    U' = -U (K o (H S + S H^T)) - (I - U U^T) G V S^(1 - 2/N),
    V' = -V (K o (S H + H^T S)) - (I - V V^T) G^T U S^(1 - 2/N).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minirmae.arrays import Array
from minirmae.optimizers import SGD
from minirmae.theory.lab import figures
from minirmae.theory.lab.completion import CompletionProblem
from minirmae.theory.lab.dynamics import gradient_flow, train
from minirmae.theory.lab.initial import balanced_factors, orthonormal_columns
from minirmae.theory.lab.integrator import integrate
from minirmae.theory.lab.losses import log_cosh_loss
from minirmae.theory.lab.networks import EndToEndLoss, end_to_end, factors_of, imbalance, linear_network, product
from minirmae.theory.lab.result import Check, compare, timed
from minirmae.validation import require_ndim, require_positive_int, require_shape

RUNS = ((3, 5, 6, 4), (2, 4, 4, 6), (4, 5, 5, 5), (5, 3, 4, 6), (1, 4, 1, 3))
"""(depth, inputs, hidden, outputs) of the checks, one for each seed."""

RATE = 0.02
"""Learning rate of the training run, times the depth; it is also run at half of it."""


def end_to_end_rates(left: Array, right: Array, depth: int) -> Array:
    """Return `C_rk`, what the flow multiplies entry (r, k) of U^T G V by.

    Args:
        left, right: (m,) and (n,), singular values of W, zero where it has none.
        depth: number of layers N >= 1.

    Returns (m, n). At a minimum of |W - M|^2/2 these are the nonzero eigenvalues of the Hessian.

    >>> end_to_end_rates(np.array([4.0, 0.0]), np.array([4.0, 0.0]), depth=2)
    array([[8., 4.],
           [4., 0.]])
    """
    require_positive_int("end_to_end_rates", depth=depth)
    j = np.arange(1, depth + 1)[:, None]
    return (left ** (2 * (depth - j) / depth)).T @ right ** (2 * (j - 1) / depth)


def end_to_end_velocity(W: Array, G: Array, depth: int) -> Array:
    """Return W' (outputs, inputs) of the product of a balanced network.

    Args:
        W: (outputs, inputs), the product; its rank may be anything.
        G: the gradient of the loss at W, of the same shape.
        depth: number of layers N >= 1; for 1 it is -G.
    """
    where = "end_to_end_velocity"
    require_ndim(where, "W", W, 2, "(outputs, inputs)")
    require_shape(where, "G", G, W.shape)
    U, s, Vt = np.linalg.svd(W)
    # A singular value of 1e-17 is none, but its power 2/N would be something.
    s = np.where(s > max(W.shape) * np.finfo(float).eps * s.max(initial=0), s, 0.0)
    left, right = (np.pad(s, (0, size - len(s))) for size in W.shape)
    return -U @ (end_to_end_rates(left, right, depth) * (U.T @ G @ Vt.T)) @ Vt


def end_to_end_flow(factors: Sequence[Array], loss: EndToEndLoss, times: Array) -> Array:
    """Integrate the equation of the product, without the layers.

    Args:
        factors: `[W_1, ..., W_N]`, balanced.
        loss: `value, G = loss(W)`.
        times: (T,), increasing; the first is the time of the start.

    Returns the products (T, outputs, inputs). Raises ValueError if the start is not balanced.
    """
    largest = max(float(np.abs(factor).max()) ** 2 for factor in factors)
    distance = max((float(np.abs(D).max()) for D in imbalance(factors)), default=0.0)
    if not distance <= 1e-9 * largest:
        raise ValueError(
            "end_to_end_flow: the start must be balanced, W_{j+1}^T W_{j+1} = W_j W_j^T, but the two sides differ by "
            f"{distance:.1e}; the product of other starts has no equation of its own; see balanced_factors"
        )
    W = product(factors)

    def field(t: float, state: Array) -> Array:
        point = state.reshape(W.shape)
        return end_to_end_velocity(point, loss(point)[1], len(factors)).ravel()

    return integrate(field, W.ravel(), times).states.reshape(-1, *W.shape)


def singular_value_velocity(W: Array, G: Array, depth: int) -> Array:
    """Return s' (r,) of the r = min(outputs, inputs) singular values; arguments as in `end_to_end_velocity`.

    >>> singular_value_velocity(np.diag([4.0, 1.0]), -np.eye(2), depth=2)
    array([8., 2.])
    """
    require_positive_int("singular_value_velocity", depth=depth)
    U, s, Vt = np.linalg.svd(W, full_matrices=False)
    return -depth * s ** (2 - 2 / depth) * np.einsum("or,oi,ri->r", U, G, Vt)


def singular_vector_velocity(W: Array, G: Array, depth: int) -> tuple[Array, Array]:
    """Return U' (outputs, r) and V' (inputs, r) for the vectors that `numpy.linalg.svd` gives.

    Raises ValueError if singular values are zero or coincide: their vectors are not defined.
    """
    require_positive_int("singular_vector_velocity", depth=depth)
    U, s, Vt = np.linalg.svd(W, full_matrices=False)
    V, powers = Vt.T, s ** (2 / depth)
    gaps = powers - powers[:, None]
    if not s[-1] > 1e-12 * s[0] or (np.diff(s) > -1e-12 * s[0]).any():
        raise ValueError(f"singular_vector_velocity: singular values must be distinct and positive, got {s}")
    K = np.divide(1, gaps, out=np.zeros_like(gaps), where=gaps != 0)
    H, bend = U.T @ G @ V, s ** (1 - 2 / depth)
    dU = -U @ (K * (H * s + (H * s).T)) - (G @ V - U @ H) * bend
    dV = -V @ (K * ((H.T * s).T + H.T * s)) - (G.T @ U - V @ H.T) * bend
    return dU, dV


def _layers_velocity(factors: Sequence[Array], loss: EndToEndLoss) -> Array:
    """W' of the product by the chain rule, from the gradients that the library computes for the layers."""
    model = linear_network(factors)
    _, backward = end_to_end(loss)(model, np.eye(factors[0].shape[1]), None)
    backward()
    gradients = factors_of(model, model.grads)
    terms = [product([*factors[:j], gradients[j], *factors[j + 1 :]]) for j in range(len(factors))]
    return -np.sum(terms, axis=0)


def _flow(factors: Sequence[Array], loss: EndToEndLoss, times: Array) -> tuple[Array, float]:
    """The products along the gradient flow of the layers, and the flow's energy defect."""
    model = linear_network(factors)
    path = gradient_flow(model, end_to_end(loss), np.eye(factors[0].shape[1]), times)
    return product(factors_of(model, path.values)), path.energy_defect


def _descent(factors: Sequence[Array], loss: EndToEndLoss, rate: float, steps: int, every: int) -> tuple[Array, Array]:
    """Times and products of a training run."""
    model = linear_network(factors)
    path = train(model, end_to_end(loss), np.eye(factors[0].shape[1]), SGD(rate), steps, every)
    return rate * path.times, product(factors_of(model, path.values))


def _start(rng: np.random.Generator, outputs: int, inputs: int) -> Array:
    """A product with random bases and distinct singular values from 1.2 to 0.3."""
    r = min(outputs, inputs)
    U, V = orthonormal_columns(rng, outputs, r), orthonormal_columns(rng, inputs, r)
    return (U * np.geomspace(1.2, 0.3, r)) @ V.T


def check(seed: int = 0, depth: int | None = None, quick: bool = False) -> list[Check]:
    """Compare velocities with the library's gradients, the equation with flow and descent; `depth` replaces `RUNS`'."""
    checks: list[Check] = []
    for offset, (layers, inputs, hidden, outputs) in enumerate(RUNS[: 1 if quick else None]):
        layers, rng = depth or layers, np.random.default_rng(seed + offset)
        target, observed = rng.normal(size=(outputs, inputs)), rng.random((outputs, inputs)) < 0.6
        loss = log_cosh_loss(target) if offset % 2 else CompletionProblem(target, observed).loss()
        factors = balanced_factors(_start(rng, outputs, inputs), [hidden] * (layers - 1), rng)
        details: dict[str, Any] = {
            "seed": seed + offset,
            "note": f"{inputs} to {outputs}, depth {layers}, {'ln cosh' if offset % 2 else 'completion'}",
        }
        checks += _check_run(factors, loss, details)
    return [*checks, _check_descent(np.random.default_rng(seed), depth or 3, seed)]


def _check_run(factors: Sequence[Array], loss: EndToEndLoss, details: dict[str, Any]) -> list[Check]:
    """Product, singular values and vectors at one instant, by the layers' gradients, and the product over time."""
    W, depth = product(factors), len(factors)
    G, dW = loss(W)[1], _layers_velocity(factors, loss)
    U, _, Vt = np.linalg.svd(W, full_matrices=False)
    vectors = np.concatenate(singular_vector_velocity(W, G, depth))
    # At depth 1, W' = -G: the formula is then the derivative of a singular value decomposition.
    turned = np.concatenate(singular_vector_velocity(W, -dW, 1))
    speeds, measured = singular_value_velocity(W, G, depth), np.diag(U.T @ dW @ Vt.T)
    times = np.linspace(0.0, 1.0, 5)
    (path, energy_defect), seconds = timed(lambda: _flow(factors, loss, times))
    predicted = end_to_end_flow(factors, loss, times)
    return [
        compare("velocity of the product", end_to_end_velocity(W, G, depth), dW, 1e-11, **details),
        compare("velocity of the singular values", speeds, measured, 1e-11, **details),
        compare("velocity of the singular vectors", vectors, turned, 1e-10, **details),
        compare("product along the flow", predicted, path, 1e-9, seconds=seconds, **details),
        compare("energy identity of the flow", 0.0, energy_defect, 1e-9, **details),
    ]


def _check_descent(rng: np.random.Generator, depth: int, seed: int) -> Check:
    """Gradient descent is first order in its rate: half the rate leaves half the distance to the flow."""
    loss, factors = log_cosh_loss(rng.normal(size=(3, 4))), balanced_factors(_start(rng, 3, 4), [3] * (depth - 1), rng)
    times, every = np.linspace(0.0, 1.0, 6), round(0.2 * depth / RATE)
    predicted = end_to_end_flow(factors, loss, times)

    def distance(every: int) -> float:
        return float(np.abs(_descent(factors, loss, 0.2 / every, 5 * every, every)[1] - predicted).max())

    ratio, seconds = timed(lambda: distance(every) / distance(2 * every))
    return compare("SGD: distance to flow, rate over half rate", 2.0, ratio, 0.1, seed=seed, seconds=seconds)


def figure(seed: int = 0, depth: int | None = None) -> Any:
    """Draw singular values during matrix completion, and how fast they move for their size at several depths."""
    rng, N = np.random.default_rng(seed), depth or 3
    drawing, (left, right) = figures.new_figure(
        "The product moves by its own law: large singular values move fastest (lines: theory, points: layers)",
        (f"Completing a matrix, depth {N}, SGD", r"time t = steps $\times$ rate", "singular values of W"),
        ("Speed of a singular value, by its gradient", "singular value s of W", r"$(ds/dt) \,/\, (-u^T G v)$"),
    )
    loss = CompletionProblem(rng.normal(size=(5, 5)), rng.random((5, 5)) < 0.6).loss()
    factors = balanced_factors(_start(rng, 5, 5) / 4, [5] * (N - 1), rng)
    dense, (times, W) = np.linspace(0.0, 8.0, 201), _descent(factors, loss, 0.01, 800, every=40)
    lines = np.linalg.svd(end_to_end_flow(factors, loss, dense), compute_uv=False)
    points = np.linalg.svd(W, compute_uv=False)
    for i in range(5):
        figures.prediction(left, i, dense, lines[:, i], f"$s_{i + 1}$")
        figures.measurement(left, i, times, points[:, i])

    sizes, loss = np.geomspace(0.05, 2.5, 100), log_cosh_loss(rng.normal(size=(6, 6)))
    W0 = _start(rng, 6, 6) @ np.diag(np.geomspace(2.0, 0.5, 6))
    U, s, Vt = np.linalg.svd(W0)
    for i, layers in enumerate((1, 2, 3, 6)):
        dW = _layers_velocity(balanced_factors(W0, [6] * (layers - 1), rng), loss)
        figures.prediction(right, i, sizes, layers * sizes ** (2 - 2 / layers), f"N = {layers}")
        figures.measurement(right, i, s, np.diag(U.T @ dW @ Vt.T) / -np.diag(U.T @ loss(W0)[1] @ Vt.T))
    right.set(xscale="log", yscale="log")
    figures.legend(left, (0.78, 0.5))
    figures.legend(right, "upper left")
    return drawing
