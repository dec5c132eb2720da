"""Linear probe: how much of the classes a linear map can read off frozen codes.

Multinomial logistic regression with an L2 penalty on the weights. With the
standardised codes x_i, their classes c_i and p_i = softmax(x_i W + b) it minimises

    F(W, b) = sum_i -log p_i[c_i] + (penalty / 2) |W|^2,

which is convex and, in W, strictly so: there is one answer, whatever the
optimiser. Newton's method finds it. Its linear systems are solved by conjugate
gradients, for which a product of the Hessian with a direction is enough: a
change (V, v) moves the logits of a code by u_i = x_i V + v, hence p_i by
p_i u_i - p_i (p_i' u_i).

Codes are standardised as a whole: the training codes' mean is subtracted, and one
number, the root of their mean variance over the dimensions, divides them all.
So the answer does not change with shift, scale or rotation of the latent space.
Dividing each dimension by its own deviation, as is often done, would make it
depend on the basis. The intercept is not penalised; b is fixed by sum(b) = 0,
as a shift of all logits changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from minirmae.arrays import Array
from minirmae.data.dataset import require_labels
from minirmae.measures.codes import require_matrix

_NEWTON_STEPS, _HALVINGS = 100, 40


@dataclass(frozen=True)
class LinearProbe:
    """A trained probe.

    Attributes:
        classes: the K labels that occurred in training, ascending.
        mean, scale: the codes are standardised as (codes - mean) / scale; (n,) and a number.
        W, b: weights (n, K) and intercepts (K,) on standardised codes, float64.
    """

    classes: Array
    mean: Array
    scale: float
    W: Array
    b: Array

    def logits(self, codes: Array) -> Array:
        """Logits (N, K) of codes (N, n); raises ValueError or TypeError for codes that do not fit."""
        codes = require_matrix("linear probe", "codes", codes)
        if codes.shape[1] != len(self.mean):
            raise ValueError(f"linear probe: trained on codes of width {len(self.mean)}, got {codes.shape[1]}")
        return (codes - self.mean) / self.scale @ self.W + self.b

    def predict(self, codes: Array) -> Array:
        """The most likely label of each of `codes` (N, n); of equal ones the smallest."""
        return self.classes[self.logits(codes).argmax(axis=1)]


def fit_linear_probe(codes: Array, labels: Array, *, penalty: float = 1.0, tolerance: float = 1e-8) -> LinearProbe:
    """Fit the probe to codes (N, n) and their labels, N integers; deterministic.

    Args:
        penalty: of the squared weights; scikit-learn's `C` is its inverse.
        tolerance: largest magnitude of an entry of the gradient of F at the end.

    Raises:
        TypeError: codes are not floats or labels not integers.
        ValueError: codes are not a finite matrix, labels do not fit or are all the same, or a number is not positive.

    >>> probe = fit_linear_probe(np.array([[-2.0], [-1.0], [1.0], [2.0]]), np.array([7, 7, 3, 3]))
    >>> probe.predict(np.array([[-5.0], [0.5]]))
    array([7, 3])
    """
    where = "fit_linear_probe"
    codes = require_matrix(where, "codes", codes, rows=2)
    labels = require_labels(where, labels, len(codes), of="codes")
    if penalty <= 0 or tolerance <= 0:
        raise ValueError(f"{where}: penalty and tolerance must be positive, got {penalty!r} and {tolerance!r}")
    classes, numbers = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"{where}: all {len(labels)} labels are {classes[0]}; a probe needs at least two classes")
    # Relative to the first code, so that codes that do not vary have a variance of exactly 0, and nothing to scale.
    mean = codes[0] + (codes - codes[0]).mean(axis=0)
    scale = float(np.sqrt(((codes - mean) ** 2).mean())) or 1.0
    x = np.column_stack([(codes - mean) / scale, np.ones(len(codes))])
    theta = _newton(x, np.eye(len(classes))[numbers], penalty, tolerance)
    return LinearProbe(classes, mean, scale, theta[:-1], theta[-1])


def probe_predictions(codes: Array, labels: Array, test_codes: Array) -> Array:
    """Labels that a probe with penalty 1, fitted to codes (N, n) with their labels, gives test codes (M, n)."""
    return fit_linear_probe(codes, labels).predict(test_codes)


def _newton(x: Array, onehot: Array, penalty: float, tolerance: float) -> Array:
    """Minimise F for codes x whose last column is 1; return W and, as its last row, b."""
    theta = np.zeros((x.shape[1], onehot.shape[1]))
    decay = np.full((x.shape[1], 1), penalty)
    decay[-1] = 0.0
    value, p = _loss(theta, x, onehot, decay)
    for _ in range(_NEWTON_STEPS):
        gradient = x.T @ (p - onehot) + decay * theta
        if np.abs(gradient).max() <= tolerance:
            return theta

        def curvature(direction: Array, p: Array = p) -> Array:
            u = x @ direction
            return x.T @ (p * (u - (p * u).sum(axis=1, keepdims=True))) + decay * direction

        step = _conjugate_gradients(curvature, -gradient)
        slope, size = float((gradient * step).sum()), 1.0
        for _ in range(_HALVINGS):
            candidate = theta + size * step
            new_value, new_p = _loss(candidate, x, onehot, decay)
            # Near the minimum the decrease is below the rounding of F itself, and the full step is right.
            if new_value <= value + 1e-4 * size * slope + 1e-14 * abs(value):
                break
            size /= 2
        theta, value, p = candidate, new_value, new_p
    raise ValueError(
        f"fit_linear_probe: no minimum after {_NEWTON_STEPS} Newton steps, the gradient is still "
        f"{np.abs(gradient).max():.2g}; use a larger penalty or tolerance"
    )


def _loss(theta: Array, x: Array, onehot: Array, decay: Array) -> tuple[float, Array]:
    """F and the probabilities p."""
    logits = x @ theta
    logits -= logits.max(axis=1, keepdims=True)
    p = np.exp(logits)
    total = p.sum(axis=1, keepdims=True)
    value = np.log(total).sum() - (logits * onehot).sum() + (decay * theta**2).sum() / 2
    return float(value), p / total


def _conjugate_gradients(product: Callable[[Array], Array], b: Array) -> Array:
    """Solve H s = b well enough for Newton's method to converge faster than linearly (Dembo and Steihaug 1983)."""
    s, r = np.zeros_like(b), b.copy()
    d, rr = r.copy(), float((r * r).sum())
    enough = rr * min(0.01, rr**0.5)
    for _ in range(b.size):
        Hd = product(d)
        alpha = rr / float((d * Hd).sum())
        s += alpha * d
        r -= alpha * Hd
        rr, before = float((r * r).sum()), rr
        if rr <= enough:
            break
        d = r + rr / before * d
    return s
