"""Frechet distance: how far two sets of features are apart, each taken as a Gaussian.

    d^2 = |m_1 - m_2|^2 + tr(S_1 + S_2 - 2 (S_1^(1/2) S_2 S_1^(1/2))^(1/2))

(Dowson and Landau 1982; of features of generated and of real images, Heusel et
al. 2017, equation 6, who like everybody after them report d^2). The user chooses
the features; two distances compare only if features and numbers of samples are
the same.

The bias. A finite sample's covariance is not the distribution's, and every
deviation adds: even two samples of one distribution are apart, and further the
smaller they are. For two Gaussian samples of N_1 and N_2 in n dimensions with
covariance I the expected d^2 is, to first order,

    (1/N_1 + 1/N_2) (n + n (n + 1) / 4),

the means' part and the covariances'. It falls as 1/N and depends on the model
that is measured (Chong and Forsyth 2020), so take many samples, the same number
for all models, and never fewer than dimensions.
"""

from __future__ import annotations

import numpy as np

from minirmae.arrays import Array
from minirmae.measures.codes import mean_and_covariance, require_matrix, symmetric_root


def frechet_distance(features: Array, reference: Array) -> float:
    """Return d^2 between the Gaussians with the means and covariances of two sets of features.

    Args:
        features, reference: shapes (N_1, n) and (N_2, n), at least two rows each; covariances have divisor N - 1.

    Raises:
        TypeError: not arrays of real floats.
        ValueError: not finite matrices with enough rows, or widths that differ.

    >>> x = np.random.default_rng(0).normal(size=(100, 3))
    >>> frechet_distance(x, x) < 1e-12, round(frechet_distance(x + 2.0, x), 10)
    (True, 12.0)
    """
    where = "frechet_distance"
    return gaussian_frechet_distance(*mean_and_covariance(where, features), *mean_and_covariance(where, reference))


def gaussian_frechet_distance(mean1: Array, covariance1: Array, mean2: Array, covariance2: Array) -> float:
    """Return d^2 between two Gaussians, whose covariances may be singular.

    With A = S_1^(1/2) S_2^(1/2) the matrix under the last root is A A', so the
    root's trace is the sum of the singular values of A. They are computed directly:
    squaring small numbers and taking roots again would lose half the digits.

    Args:
        mean1, mean2: shape (n,).
        covariance1, covariance2: shape (n, n), symmetric, with no negative eigenvalue beyond rounding.

    Raises:
        TypeError: not arrays of real floats.
        ValueError: shapes do not fit, a number is not finite, or a matrix is not a covariance.

    >>> gaussian_frechet_distance(np.zeros(2), np.diag([4.0, 0.0]), np.zeros(2), np.diag([1.0, 9.0]))
    10.0
    """
    m1, S1 = _gaussian("1", mean1, covariance1)
    m2, S2 = _gaussian("2", mean2, covariance2)
    if m1.shape != m2.shape:
        raise ValueError(f"frechet_distance: both sides must have one width, got {len(m1)} and {len(m2)}")
    overlap = np.linalg.svd(symmetric_root(S1) @ symmetric_root(S2), compute_uv=False).sum()
    distance = ((m1 - m2) ** 2).sum() + np.trace(S1) + np.trace(S2) - 2 * overlap
    return max(float(distance), 0.0)


def _gaussian(number: str, mean: Array, covariance: Array) -> tuple[Array, Array]:
    """Return mean and covariance in float64, after checking that they are those of a Gaussian."""
    where = "frechet_distance"
    m = require_matrix(where, f"mean{number}", np.atleast_2d(mean))[0]
    S = require_matrix(where, f"covariance{number}", covariance)
    if np.shape(mean) != (len(S),) or S.shape != (len(S), len(S)):
        raise ValueError(
            f"{where}: a mean of shape (n,) goes with a covariance of shape (n, n), "
            f"got {np.shape(mean)} and {S.shape} on side {number}"
        )
    eigenvalues = np.linalg.eigvalsh(S)
    # float32 covariances, computed elsewhere, are symmetric and positive only to their own rounding.
    rounding = 1e-5 * np.abs(eigenvalues).max()
    if np.abs(S - S.T).max() > rounding or eigenvalues[0] < -rounding:
        raise ValueError(
            f"{where}: covariance{number} must be symmetric with no negative eigenvalue; the largest asymmetry is "
            f"{np.abs(S - S.T).max():.3g} and the smallest eigenvalue {eigenvalues[0]:.3g}; make it with numpy.cov"
        )
    return m, S
