"""The separator of largest margin through the origin, with a certificate.

For rows z_n = y_n x_n, inputs times their labels +1 or -1, the hard-margin separator is

    minimise |w|^2 / 2   subject to   z_n^T w >= 1 for every n,

and its margin, the distance of the closest sample to the plane, is 1/|w|.
Lawson and Hanson (1974) turn this least-distance problem into non-negative
least squares: minimise |Z^T u|^2 + (1 - sum u)^2 over u >= 0. With
p = Z^T u and rho = 1 - sum u, optimality says z_n^T p >= rho, with equality
where u_n > 0, so `w = p/rho` is the separator and `alpha = u/rho` its
multipliers, w = Z^T alpha. Both come out of finitely many least-squares
problems, and rho = 0 says that no separator exists.

Whatever found them, w and alpha prove each other: no separator has a margin
above `|Z^T alpha| / sum alpha`, and this one's is `min z_n^T w / |w|`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minirmae.arrays import Array
from minirmae.validation import require_float, require_ndim


@dataclass(frozen=True)
class Separator:
    """A hard-margin separator and its proof.

    Attributes:
        direction: w (inputs,), scaled so that the smallest `z_n^T w` is 1.
        multipliers: alpha (samples,), at least 0, positive on support vectors; w = Z^T alpha.
        margins: `z_n^T w` (samples,).
        gap: largest possible margin over this one, minus 1: a bound that holds whatever the solver did.
    """

    direction: Array
    multipliers: Array
    margins: Array
    gap: float

    @property
    def margin(self) -> float:
        """Distance of the closest sample to the plane, 1/|w|."""
        return float(1 / np.linalg.norm(self.direction))

    @property
    def support(self) -> Array:
        """Indices of the samples with a positive multiplier."""
        return np.flatnonzero(self.multipliers > 0)

    @property
    def next_margin(self) -> float:
        """The smallest `z_n^T w` of the other samples; infinite if there are none."""
        return float(min(self.margins[self.multipliers == 0], default=np.inf))


def max_margin(Z: Array, tolerance: float = 1e-10) -> Separator:
    """Return the hard-margin separator of the rows `Z`, certified to `tolerance`.

    Args:
        Z: (samples, inputs), rows y_n x_n.
        tolerance: the largest gap that is returned.

    Raises:
        TypeError: Z does not hold floats.
        ValueError: Z is empty or not finite, or the samples are not linearly
            separable, or only so barely that the gap cannot be certified.

    >>> separator = max_margin(np.array([[2.0, 0.0], [0.0, 2.0], [3.0, 3.0]]))
    >>> separator.direction.round(12), separator.support, round(separator.margin, 6)
    (array([0.5, 0.5]), array([0, 1]), 1.414214)
    """
    where = "max_margin"
    require_float(where, Z=Z)
    require_ndim(where, "Z", Z, 2, "(samples, inputs)")
    if Z.size == 0 or not np.isfinite(Z).all():
        raise ValueError(f"{where}: Z must hold finite numbers and at least one sample, got shape {Z.shape}")
    rows = Z / max(np.linalg.norm(Z, axis=1).max(), np.finfo(float).tiny)
    u = _non_negative_least_squares(np.vstack([rows.T, np.ones(len(Z))]), np.eye(rows.shape[1] + 1)[-1])
    support = np.flatnonzero(u)
    bound = float(np.linalg.norm(u @ rows) / u.sum())
    if bound < 1e-7:
        raise ValueError(
            f"{where}: the {len(Z)} samples are not linearly separable through the origin: no direction has a "
            f"margin above {bound:.1e} of the longest sample; add a constant input for a bias, or change the labels"
        )
    # On the support, z_n^T w = 1 exactly: solving for it again removes the squaring of the condition number.
    direction = np.linalg.lstsq(Z[support], np.ones(len(support)), rcond=None)[0]
    multipliers = np.zeros(len(Z))
    multipliers[support] = np.linalg.lstsq(Z[support].T, direction, rcond=None)[0]
    gap = margin_gap(direction, np.maximum(multipliers, 0), Z)
    if not gap <= tolerance or (multipliers < 0).any():
        raise ValueError(
            f"{where}: the best separator found leaves a relative gap of {gap:.1e}, above {tolerance:.1e}; "
            "the samples are barely separable: rescale the inputs or allow a larger tolerance"
        )
    direction = direction / (Z @ direction).min()
    return Separator(direction, multipliers, Z @ direction, gap)


def margin_gap(direction: Array, multipliers: Array, Z: Array) -> float:
    """Return `|w| |Z^T alpha| / (sum alpha min z_n^T w) - 1`: by how much w can miss the largest margin.

    Args:
        direction: w (inputs,), of any length.
        multipliers: alpha (samples,), at least 0, not all 0; any such bound the largest margin from above.
        Z: (samples, inputs).

    For a unit vector v, `min z_n^T v <= sum alpha_n z_n^T v / sum alpha <= |Z^T alpha| / sum alpha`,
    so the gap is at least 0, and 0 only for the separator. Infinite if w separates nothing.

    Raises ValueError if the multipliers are negative or all zero.
    """
    if not ((multipliers >= 0).all() and multipliers.sum() > 0):
        raise ValueError("margin_gap: multipliers must be at least 0 and not all 0, or they bound nothing")
    smallest = float((Z @ direction).min())
    if smallest <= 0:
        return float("inf")
    bound = np.linalg.norm(multipliers @ Z) / multipliers.sum()
    return float(np.linalg.norm(direction) * bound / smallest - 1)


def separable_data(
    rng: np.random.Generator, inputs: int, support: int, others: int, mu: tuple[float, float] = (1.0, 2.0)
) -> tuple[Array, Separator]:
    """Return rows Z (support + others, inputs) with a prescribed separator, and that separator.

    The multipliers are drawn first, then `z_n = w/|w|^2 + v_n` with v_n across w and
    `sum alpha_n v_n = 0`, which is the optimality condition. The eigenvalues of
    `sum alpha_n z_n z_n^T` are 1, along w, and uniform in `mu`; the other samples have margins of 3 to 4.

    Raises ValueError if there are more support vectors than inputs.
    """
    if not 1 <= support <= inputs:
        raise ValueError(f"separable_data: {inputs} inputs allow 1 to {inputs} support vectors, got {support}")
    alpha = rng.uniform(0.3, 1.5, support)
    w = rng.normal(size=inputs)
    w *= np.sqrt(alpha.sum()) / np.linalg.norm(w)
    across = _complement(w)
    modes = across[:, rng.permutation(inputs - 1)[: support - 1]].T * np.sqrt(rng.uniform(*mu, (support - 1, 1)))
    v = _complement(np.sqrt(alpha)) @ modes / np.sqrt(alpha)[:, None]
    far = rng.normal(size=(others, inputs - 1)) @ across.T / 2
    margins = np.concatenate([np.ones(support), rng.uniform(3, 4, others)])
    Z = np.outer(margins, w / (w @ w)) + np.concatenate([v, far])
    return Z, Separator(w, np.concatenate([alpha, np.zeros(others)]), margins, 0.0)


def unit(vectors: Array) -> Array:
    """Return the vectors (..., inputs) divided by their lengths: their directions."""
    directions: Array = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return directions


def _non_negative_least_squares(A: Array, b: Array) -> Array:
    """Minimise |A u - b| over u >= 0 by the active-set method of Lawson and Hanson (1974)."""
    columns = A.shape[1]
    u, free = np.zeros(columns), np.zeros(columns, dtype=bool)
    for _ in range(30 * columns):
        pull = np.where(free, -np.inf, A.T @ (b - A @ u))
        entering = int(pull.argmax())
        if free.all() or pull[entering] <= 1e-14:
            break
        free[entering] = True
        while True:
            trial = np.zeros(columns)
            trial[free] = np.linalg.lstsq(A[:, free], b, rcond=None)[0]
            if (trial[free] > 0).all():
                break
            # Walk towards the unconstrained solution until the first variable reaches 0, and hold it there.
            leaving = np.flatnonzero(free & (trial <= 0))
            steps = u[leaving] / (u[leaving] - trial[leaving] + np.finfo(float).tiny)
            u = u + steps.min() * (trial - u)
            first = leaving[steps.argmin()]
            u[first], free[first] = 0.0, False
        u = trial
    return u


def _complement(vector: Array) -> Array:
    """Orthonormal columns that span everything across `vector`."""
    return np.linalg.qr(np.column_stack([vector, np.eye(len(vector))]))[0][:, 1:]
