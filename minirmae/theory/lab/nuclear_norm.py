"""The completion of smallest nuclear norm, with a certificate.

Among all matrices that agree with the entries observed, which has the
smallest sum of singular values |X|_*? Candes and Recht 2009 proposed it as the
convex stand-in for the smallest rank. The problem and its dual are

    min |X|_*  with  X = M on the observed set,
    max <L, M>  over L zero off the observed set, largest singular value |L|_2 <= 1,

and any such L proves `<L, M> = <L, X> <= |L|_2 |X|_* <= |X|_*` for every completion X.
Douglas-Rachford splitting (over-relaxed) alternates the two simple halves, agreeing
with the observations and shrinking singular values; its multiplier, scaled into
the unit ball, is the certificate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minirmae.arrays import Array
from minirmae.validation import require_float, require_ndim, require_positive_int, require_shape


class CompletionError(ValueError):
    """The gap between the completion and its certificate stayed above the one asked for."""


@dataclass(frozen=True)
class Completion:
    """A completion and the proof of how far it can be from the smallest.

    Attributes:
        matrix: (rows, columns), equal to M where observed.
        dual: (rows, columns), zero where not observed, largest singular value at most 1.
        iterations: number of splitting steps.
    """

    matrix: Array
    dual: Array
    iterations: int

    @property
    def nuclear_norm(self) -> float:
        """Sum of the singular values of `matrix`: at least the minimum."""
        return float(np.linalg.svd(self.matrix, compute_uv=False).sum())

    @property
    def lower_bound(self) -> float:
        """`<dual, matrix>`: at most the nuclear norm of any completion."""
        return float((self.dual * self.matrix).sum())

    @property
    def gap(self) -> float:
        """How far `nuclear_norm` can be above the minimum, relative to itself."""
        norm = self.nuclear_norm
        return (norm - self.lower_bound) / norm if norm > 0 else 0.0


def shrink_singular_values(matrix: Array, threshold: float) -> Array:
    """Return the matrix with `max(s - threshold, 0)` for its singular values: the proximal map of `threshold |.|_*`.

    >>> shrink_singular_values(np.diag([3.0, 1.0]), 2.0)
    array([[1., 0.],
           [0., 0.]])
    """
    U, s, Vt = np.linalg.svd(matrix, full_matrices=False)
    shrunk: Array = (U * np.maximum(s - threshold, 0)) @ Vt
    return shrunk


def minimum_nuclear_norm(
    matrix: Array, observed: Array, *, gap: float = 1e-8, max_iterations: int = 50_000
) -> Completion:
    """Return the completion of smallest nuclear norm, certified to a relative `gap`.

    Args:
        matrix: (rows, columns), floats; entries not observed are never read.
        observed: (rows, columns), booleans.
        gap: stop when `Completion.gap` is at most this.
        max_iterations: largest number of splitting steps.

    Raises:
        TypeError: the matrix does not hold floats, or the mask does not hold booleans.
        ValueError: shapes differ, an observed entry is not finite, or `gap` is not positive.
        CompletionError: the gap was not reached.

    >>> corner = minimum_nuclear_norm(np.array([[2.0, 1.0], [1.0, np.nan]]), np.array([[True, True], [True, False]]))
    >>> corner.matrix.round(6)
    array([[2. , 1. ],
           [1. , 0.5]])
    """
    where = "minimum_nuclear_norm"
    _require_observations(where, matrix, observed)
    require_positive_int(where, max_iterations=max_iterations)
    if not gap > 0:
        raise ValueError(f"{where}: gap must be positive, got {gap!r}; rounding leaves about 1e-12")
    known = np.where(observed, matrix, 0.0)
    scale = float(np.linalg.norm(known, 2))
    if scale == 0:
        return Completion(known, np.zeros_like(known), 0)
    # Any positive step and any relaxation in (0, 2) converge; these are fast on problems of rank well below the size.
    step, relaxation, Z = 0.02 * scale, 1.8, known
    for iteration in range(1, max_iterations + 1):
        X = np.where(observed, matrix, Z)
        reflected = 2 * X - Z
        Y = shrink_singular_values(reflected, step)
        if iteration % 10 == 0:
            dual = np.where(observed, reflected - Y, 0.0) / step
            found = Completion(X, dual / max(1.0, float(np.linalg.norm(dual, 2))), iteration)
            if found.gap <= gap:
                return found
        Z = Z + relaxation * (Y - X)
    raise CompletionError(f"{where}: the relative gap is above {gap:g} after {max_iterations} iterations; allow more")


def _require_observations(where: str, matrix: Array, observed: Array) -> None:
    require_float(where, matrix=matrix)
    require_ndim(where, "matrix", matrix, 2, "(rows, columns)")
    require_shape(where, "observed", observed, matrix.shape)
    if observed.dtype != bool:
        raise TypeError(f"{where}: observed must hold booleans, got {observed.dtype}")
    if not np.isfinite(matrix[observed]).all():
        raise ValueError(f"{where}: every observed entry must be finite")
