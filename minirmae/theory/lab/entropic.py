"""The point of largest entropy that fits linear measurements, and how close it is to the smallest sum.

For measurements a x = y of a vector x > 0, the smallest `sum_i x_i ln(x_i / (e alpha^2))` is
attained where, with one multiplier for each measurement,

    x = alpha^2 exp(2 a^T nu).

As alpha -> 0 it becomes the smallest `sum x` over x >= 0, a linear programme, and the
multipliers over ln(1/alpha) become a dual solution, which bounds that sum from below.
Everything is written in `log_scale` = ln(1/alpha), so that alpha may be far below the smallest float.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from minirmae.arrays import Array
from minirmae.validation import require_ndim, require_shape


@dataclass(frozen=True)
class EntropicLimit:
    """The point of largest entropy.

    Attributes:
        x: (n,), positive.
        nu: (m,), the multipliers.
        log_scale: ln(1/alpha).
    """

    x: Array
    nu: Array
    log_scale: float


def entropic_limit(a: Array, y: Array, log_scale: float) -> EntropicLimit:
    """Return the `x = alpha^2 exp(2 a^T nu)` with `a x = y`.

    Args:
        a: (m, n), independent rows.
        y: (m,), measured from some positive x.
        log_scale: ln(1/alpha), of any sign and size; alpha itself may underflow.

    Newton's method, damped, on the concave dual `nu^T y - sum_i x_i(nu) / 2`, while ln(1/alpha)
    grows from 0: along the way `(a diag(x) a^T) dnu/dln(1/alpha) = y`.

    Raises ValueError if the rows of a are not independent, or no positive x with a x = y is found.

    >>> entropic_limit(np.array([[1.0, 2.0]]), np.array([1.0]), log_scale=50.0).x.round(9)
    array([0. , 0.5])
    """
    where = "entropic_limit"
    require_ndim(where, "a", a, 2, "(m, n)")
    require_shape(where, "y", y, (len(a),))
    if not (np.isfinite(a).all() and np.isfinite(y).all() and math.isfinite(log_scale)):
        raise ValueError(f"{where}: a, y and log_scale must be finite")
    if np.linalg.matrix_rank(a) < len(a):
        raise ValueError(f"{where}: the m = {len(a)} rows of a must be independent: drop measurements that add nothing")
    nu, x = _newton(a, y, np.zeros(len(a)), 0.0)
    scale = 0.0
    while scale != log_scale:
        # Near the limit nu is linear in ln(1/alpha), so that steps can grow with it.
        reach = max(4.0, abs(scale))
        target = float(np.clip(log_scale, scale - reach, scale + reach))
        nu, x = _newton(a, y, nu + (target - scale) * np.linalg.solve((a * x) @ a.T, y), target)
        scale = target
    return EntropicLimit(x, nu, log_scale)


def smallest_sum_bound(a: Array, y: Array, limit: EntropicLimit) -> float:
    """Return `b^T y`, at most the sum of any x >= 0 with a x = y, b the scaled multipliers of `limit`.

    For any b with `a^T b <= 1`: `b^T y = b^T a x <= sum x`. Raises ValueError unless alpha < 1.

    >>> a, y = np.array([[1.0, 2.0]]), np.array([1.0])
    >>> round(smallest_sum_bound(a, y, entropic_limit(a, y, 50.0)), 4)
    0.4965
    """
    if not limit.log_scale > 0:
        raise ValueError(f"smallest_sum_bound: needs alpha < 1, got ln(1/alpha) = {limit.log_scale:g}")
    b = limit.nu / limit.log_scale
    return float(b @ y) / max(1.0, float((b @ a).max()))


def entropic_point(a: Array, nu: Array, log_scale: float) -> Array:
    """Return `x = alpha^2 exp(2 a^T nu)` (n,)."""
    x: Array = np.exp(2 * (nu @ a - log_scale))
    return x


def _newton(a: Array, y: Array, nu: Array, log_scale: float) -> tuple[Array, Array]:
    """Maximise the dual `nu^T y - sum x / 2` from `nu`; returns nu and x."""
    x = entropic_point(a, nu, log_scale)
    rounding = 1e-14 * (1 + abs(log_scale))
    for _ in range(200):
        gradient = y - a @ x
        if (abs(gradient) <= rounding * (abs(a) @ x + abs(y))).all():
            return nu, x
        try:
            direction = np.linalg.solve((a * x) @ a.T, gradient) / 2
        except np.linalg.LinAlgError:
            break
        step, dual, slope = 1.0, nu @ y - x.sum() / 2, gradient @ direction
        slack = rounding * (abs(nu) @ abs(y) + x.sum())
        while step > 1e-12:
            trial = nu + step * direction
            with np.errstate(over="ignore"):
                x = entropic_point(a, trial, log_scale)
            if trial @ y - x.sum() / 2 >= dual + 1e-4 * step * slope - slack:
                break
            step /= 2
        nu = trial
    raise ValueError(
        "entropic_limit: Newton's method did not converge: y must be measured from some positive x, "
        "and the smallest sum attained at one vertex with m positive entries"
    )
