"""How training changes the imbalance `D_j = W_{j+1}^T W_{j+1} - W_j W_j^T` of a deep linear network (T5).

Write I(F) for the list `F_{j+1}^T F_{j+1} - F_j F_j^T` of any list of matrices F of
the layers' shapes, so that D = I(W). A loss of the product alone has gradients with
`W_{j+1}^T G_{j+1} = G_j W_j^T` (both are the gradient seen from the layer
between), so in D after `W - rate G` the terms of first order in G cancel:

    gradient flow, decay mu:    D' = -2 mu D
    gradient descent:           D+ = (1 - rate mu)^2 D + rate^2 I(G)
    heavy ball, steps M:        D+ - D = beta (D - D-) + I(M+) + beta I(M)
    heavy ball, continuous:     D'' + gamma D' = 2 I(W')

G may be the gradient of a mini-batch. For the heavy ball, `v+ = beta v + G` and
`M+ = -rate v+`, the terms of first order obey a recursion of their own, which D - D- eliminates.
Adam divides each entry of G by its own number, and nothing cancels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from minirmae.arrays import Array
from minirmae.layers import Sequential
from minirmae.objectives import Objective
from minirmae.theory.lab.dynamics import gradient_flow
from minirmae.theory.lab.networks import factors_of, imbalance


def decayed_imbalance(t: ArrayLike, start: Array, mu: float) -> Array:
    """Return `exp(-2 mu t) D(0)`, the imbalance of gradient flow under weight decay; constant without.

    Args:
        t: times, any shape, at least 0.
        start: one D_j(0), (n, n).
        mu: the loss contains `mu/2 sum |W_j|^2`; at least 0.

    Returns `t.shape + (n, n)`. Raises ValueError if t or mu is negative.

    >>> decayed_imbalance([0.0, 1.0], np.array([[2.0]]), mu=0.5).ravel().round(4)
    array([2.    , 0.7358])
    """
    times = np.asarray(t, dtype=float)
    if mu < 0 or (times < 0).any():
        raise ValueError(f"decayed_imbalance: t and mu must be at least 0, got mu = {mu:g}")
    return np.exp(-2 * mu * times)[..., None, None] * start


def descent_imbalance(D: Sequence[Array], gradients: Sequence[Array], rate: float, mu: float = 0.0) -> list[Array]:
    """Return the D_j after a step of gradient descent: `(1 - rate mu)^2 D + rate^2 I(G)`.

    Args:
        D: the N - 1 imbalances before it, (..., n_j, n_j).
        gradients: [G_1, ..., G_N], gradients of the loss without decay, (..., n_j, n_{j-1}).
        rate, mu: learning rate and decay.

    Raises ValueError if the numbers of matrices do not fit, or what `imbalance` raises.

    >>> a, b, r, rate = 2.0, 1.0, 0.5, 0.1    # scalars: G_1 = a r, G_2 = b r, and D+ = D (1 - (rate r)^2)
    >>> D, = descent_imbalance([np.array([[a**2 - b**2]])], [np.array([[a * r]]), np.array([[b * r]])], rate)
    >>> D.round(6), round((a**2 - b**2) * (1 - (rate * r) ** 2), 6)
    (array([[2.9925]]), 2.9925)
    """
    _require_fit("descent_imbalance", D, gradients)
    return [(1 - rate * mu) ** 2 * d + rate**2 * g for d, g in zip(D, imbalance(gradients), strict=True)]


def momentum_imbalance(
    D: Sequence[Array], previous: Sequence[Array], moves: Sequence[Array], last: Sequence[Array], momentum: float
) -> list[Array]:
    """Return the D_j after a step of `optimizers.Momentum`: `D + beta (D - D-) + I(M+) + beta I(M)`.

    Args:
        D, previous: imbalances before this step and before the last one; equal at the first step.
        moves, last: what this step and the last one add to the factors, (..., n_j, n_{j-1}); `last` is 0 at first.
        momentum: beta.

    Raises ValueError if the numbers of matrices do not fit, or what `imbalance` raises.
    """
    _require_fit("momentum_imbalance", D, moves)
    terms = zip(D, previous, imbalance(moves), imbalance(last), strict=True)
    return [d + momentum * (d - before) + new + momentum * old for d, before, new, old in terms]


def adam_imbalance(t: ArrayLike, a0: ArrayLike, b0: ArrayLike, sigma: ArrayLike) -> Array:
    """Return a^2 - b^2 of a scalar network `y = a b x` under Adam, in the limit of small rates.

    In that limit Adam's step is `rate sign(g)`: its averages last for a fixed number of steps,
    and so for no time. From 0 < a_0 b_0 < sigma both layers grow at unit speed until
    their product is sigma. It is the difference a - b that is conserved, and not that of the squares:

        a^2 - b^2 = (a_0 - b_0) (a_0 + b_0 + 2t),    2t at most sqrt((a_0 - b_0)^2 + 4 sigma) - a_0 - b_0.

    Args:
        t: rate times steps, at least 0; broadcasts with a0, b0 (second and first layer) and sigma.

    Raises ValueError unless a0, b0 > 0, `a0 b0 <= sigma` and t >= 0.

    >>> adam_imbalance([0.0, 0.2, 9.0], a0=1.0, b0=0.5, sigma=2.0).round(4)
    array([0.75  , 0.95  , 1.4361])
    """
    t_, a, b, target = (np.asarray(value, dtype=float) for value in (t, a0, b0, sigma))
    if not ((a > 0).all() and (b > 0).all() and (a * b <= target).all() and (t_ >= 0).all()):
        raise ValueError("adam_imbalance: expected positive layers below their target, 0 < a0 b0 <= sigma, and t >= 0")
    grown: Array = (a - b) * np.minimum(a + b + 2 * t_, np.sqrt((a - b) ** 2 + 4 * target))
    return grown


def leading_drift(model: Sequential, objective: Objective, x: Array, duration: float) -> Array:
    """Return C, the integral of I(G) along the gradient flow from the model's parameters, all D_j flattened.

    Simpson's rule on 201 points of the integrated flow.
    """
    moving = model.astype(model.dtype)
    times = np.linspace(0, duration, 201)
    gradients = []
    for values in gradient_flow(model, objective, x, times).values:
        moving.values[...], moving.grads[...] = values, 0
        objective(moving, x, None)[1]()
        gradients.append(moving.grads.copy())
    weights = np.array([1, *[4, 2] * 99, 4, 1]) * duration / 600
    integral: Array = weights @ flattened(imbalance(factors_of(model, np.array(gradients))))
    return integral


def flattened(D: Sequence[Array]) -> Array:
    """Return matrices (..., n_j, n_j) as one array (..., sum of n_j^2)."""
    return np.concatenate([d.reshape(*d.shape[:-2], -1) for d in D], axis=-1)


def _require_fit(where: str, D: Sequence[Array], factors: Sequence[Array]) -> None:
    if len(factors) < 2 or len(D) != len(factors) - 1:
        raise ValueError(f"{where}: N >= 2 layers have N - 1 imbalances between them, got {len(factors)} and {len(D)}")
