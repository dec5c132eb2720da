"""How many directions does a spectrum really use?

Four answers, from a count to a smooth measure. Each argument is named for the
kind of spectrum that the measure takes, because mixing them up is the classic mistake:
`singular_values` are the s of a matrix, `eigenvalues` are the s**2 of its
covariance. On the same matrix the measures are ordered,

    stable rank <= participation ratio <= effective rank of s**2 <= effective rank of s <= rank,

since they are exponentials of Renyi entropies: of orders infinity, 2 and 1 of
s**2 / sum s**2, of order 1 of the flatter s / sum s, and of order 0. None
depends on the order or the scale of the values; each is 0 if all are zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minirmae.arrays import Array, array_module, asnumpy
from minirmae.measures.codes import mean_and_covariance, require_matrix
from minirmae.validation import require_ndim

THRESHOLDS = (1e-2, 1e-3, 1e-4)
"""Fractions of the largest eigenvalue at which a numerical rank is reported."""

THRESHOLD = 1e-3
"""The one of them that is meant by "the rank" where a page or a table shows one number."""


def covariance_spectrum(codes: Array) -> Array:
    """Return the eigenvalues (n,), largest first, of the covariance of `codes` (N, n).

    Computed in float64 with divisor N - 1, as `numpy.cov`. Rounding can turn a
    zero eigenvalue slightly negative; such values are clipped at 0. Each is
    exact to about 1e-16 of the largest, so the values below that are noise.

    Raises TypeError or ValueError unless `codes` is a finite float matrix with N >= 2.

    >>> import numpy as np
    >>> covariance_spectrum(np.array([[3.0, 1.0], [-3.0, 1.0]]))
    array([18.,  0.])
    """
    _, covariance = mean_and_covariance("covariance_spectrum", codes)
    xp = array_module(codes)
    spectrum: Array = xp.maximum(xp.linalg.eigvalsh(covariance)[::-1], 0.0)
    return spectrum


def product_spectrum(matrix: Array) -> Array:
    """Return the singular values, largest first, of `matrix` (m, n), such as a linear stack's product.

    Computed in float64. Raises TypeError or ValueError unless `matrix` is a finite float matrix.

    >>> import numpy as np
    >>> product_spectrum(np.diag([1.0, -4.0]) @ np.diag([2.0, 1.0]))
    array([4., 2.])
    """
    matrix = require_matrix("product_spectrum", "matrix", matrix)
    spectrum: Array = array_module(matrix).linalg.svd(matrix, compute_uv=False)
    return spectrum


def numerical_rank(spectrum: ArrayLike, threshold: float) -> int:
    """Return how many values of `spectrum` are above `threshold` times the largest, 0 <= threshold < 1.

    Takes either kind of spectrum, but a threshold t on eigenvalues is the
    threshold sqrt(t) on singular values: state both the threshold and the kind.

    >>> numerical_rank([1.0, 0.5, 0.001, 0.0], threshold=1e-2)
    2
    """
    where = "numerical_rank"
    if not 0 <= threshold < 1:
        raise ValueError(f"{where}: threshold must be a fraction of the largest value in [0, 1), got {threshold}")
    return int((_relative(where, "spectrum", spectrum) > threshold).sum())


def effective_rank(singular_values: ArrayLike) -> float:
    """Return exp(-sum p ln p), p = s / sum s: the exponential of the entropy of the singular values.

    Roy and Vetterli 2007, "The effective rank: a measure of effective
    dimensionality". Takes singular values s, *not* their squares: for the
    eigenvalues of a covariance pass their square roots.

    >>> round(effective_rank([2.0, 2.0, 2.0, 0.0]), 12)
    3.0
    """
    s = _relative("effective_rank", "singular_values", singular_values)
    s = s[s > 0]
    if s.size == 0:
        return 0.0
    p = s / s.sum()
    return float(np.exp(-(p * np.log(p)).sum()))


def stable_rank(singular_values: ArrayLike) -> float:
    """Return the sum of s**2 over the largest s**2, that is |W|_F**2 / |W|_2**2, from singular values s.

    >>> stable_rank([2.0, 1.0, 1.0])
    1.5
    """
    s = _relative("stable_rank", "singular_values", singular_values)
    return float((s**2).sum())


def participation_ratio(eigenvalues: ArrayLike) -> float:
    """Return (sum v)**2 / sum v**2, that is (tr C)**2 / tr C**2, from the eigenvalues v of a covariance C.

    >>> participation_ratio([2.0, 1.0, 1.0])
    2.6666666666666665
    """
    v = _relative("participation_ratio", "eigenvalues", eigenvalues)
    return float(v.sum() ** 2 / (v**2).sum()) if v.any() else 0.0


@dataclass(frozen=True)
class RankSummary:
    """Every rank measure of one matrix of codes; made by `summarize`."""

    samples: int
    """Number of codes N."""
    latent: int
    """Size n of a code."""
    eigenvalues: tuple[float, ...]
    """Eigenvalues of the covariance, largest first."""
    numerical_ranks: dict[float, int]
    """Threshold (a fraction of the largest eigenvalue) to the number of eigenvalues above it."""
    effective_rank: float
    """Effective rank of the singular values, the square roots of the eigenvalues."""
    effective_rank_eigenvalues: float
    """The same measure of the eigenvalues themselves; smaller, and not comparable with the former."""
    stable_rank: float
    participation_ratio: float

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a dict that `json.dumps` takes; thresholds become strings such as "0.001"."""
        fields = dict(vars(self), eigenvalues=list(self.eigenvalues))
        fields["numerical_ranks"] = {repr(threshold): rank for threshold, rank in self.numerical_ranks.items()}
        return fields


def summarize(codes: Array, thresholds: Sequence[float] = THRESHOLDS) -> RankSummary:
    """Return every rank measure of the covariance of `codes` (N, n).

    Raises what `covariance_spectrum` and `numerical_rank` raise.

    >>> import numpy as np
    >>> codes = np.array([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, -1.0, 0.0]])
    >>> summary = summarize(codes)
    >>> summary.numerical_ranks[1e-3], round(summary.effective_rank, 9)
    (2, 2.0)
    """
    eigenvalues = asnumpy(covariance_spectrum(codes))
    singular_values = eigenvalues**0.5
    return RankSummary(
        samples=codes.shape[0],
        latent=codes.shape[1],
        eigenvalues=tuple(map(float, eigenvalues)),
        numerical_ranks={float(threshold): numerical_rank(eigenvalues, threshold) for threshold in thresholds},
        effective_rank=effective_rank(singular_values),
        effective_rank_eigenvalues=effective_rank(eigenvalues),
        stable_rank=stable_rank(singular_values),
        participation_ratio=participation_ratio(eigenvalues),
    )


def _relative(where: str, name: str, spectrum: ArrayLike) -> Array:
    """Check a spectrum and divide it by its largest value, so that no measure can overflow or underflow.

    A spectrum is a few numbers, so the measures are computed with NumPy on every device.
    """
    values = asnumpy(spectrum)
    if values.dtype.kind not in "fiu":
        raise TypeError(f"{where}: {name} must be real numbers, got {values.dtype}")
    require_ndim(where, name, values, 1, "(values,)")
    if values.size == 0 or not (np.isfinite(values) & (values >= 0)).all():
        raise ValueError(f"{where}: {name} must be finite, at least 0 and not empty, got {values}")
    values = values.astype(np.float64)
    largest = values.max()
    return values / largest if largest > 0 else values
