"""The data of a linear problem, seen as independent modes.

A linear network sees its data only through `Sxx = X X^T/P` and
`Syx = Y X^T/P`. If one orthonormal basis V diagonalises both,

    Sxx = V diag(lam) V^T,    Syx = U diag(sigma) V^T,

the problem falls into modes: direction v_i of variance lam_i, to be mapped
to the output direction u_i with strength sigma_i. A network whose layers start
aligned with U and V stays aligned, and learns `W = U diag(s(t)) V^T` mode by mode.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from minirmae.arrays import Array
from minirmae.theory.lab.initial import orthonormal_columns
from minirmae.validation import require_ndim, require_positive_int, require_shape


@dataclass(frozen=True)
class Modes:
    """An aligned problem.

    Attributes:
        U: (outputs, r), orthonormal columns.
        sigma: (r,), at least 0.
        V: (inputs, r), orthonormal columns; inputs have no variance outside them.
        lam: (r,), at least 0.
    """

    U: Array
    sigma: Array
    V: Array
    lam: Array

    @property
    def covariance(self) -> Array:
        """Sxx, (inputs, inputs)."""
        return (self.V * self.lam) @ self.V.T

    @property
    def correlation(self) -> Array:
        """Syx, (outputs, inputs)."""
        return (self.U * self.sigma) @ self.V.T

    @property
    def target_power(self) -> float:
        """tr Y Y^T/P of the noiseless data, sum sigma^2/lam: with it the smallest loss is 0."""
        return float((self.sigma**2 / self.lam).sum())

    def data(self, rng: np.random.Generator, samples: int) -> tuple[Array, Array]:
        """Return noiseless rows x (samples, inputs) and y (samples, outputs) with exactly these moments.

        Raises ValueError if there are fewer samples than modes or a mode has no variance.
        """
        if not (self.lam > 0).all():
            raise ValueError("Modes.data: every lam must be positive, or sigma has no data to come from")
        codes = np.sqrt(samples) * orthonormal_columns(rng, samples, len(self.lam))
        return (codes * np.sqrt(self.lam)) @ self.V.T, (codes * (self.sigma / np.sqrt(self.lam))) @ self.U.T


def random_modes(
    rng: np.random.Generator,
    inputs: int,
    outputs: int,
    sigma: tuple[float, float] = (0.5, 2.5),
    lam: tuple[float, float] = (0.5, 2.0),
) -> Modes:
    """Return min(inputs, outputs) modes: random bases, sigma (decreasing) and lam uniform in the ranges given."""
    require_positive_int("random_modes", inputs=inputs, outputs=outputs)
    r = min(inputs, outputs)
    U, V = orthonormal_columns(rng, outputs, r), orthonormal_columns(rng, inputs, r)
    return Modes(U, np.sort(rng.uniform(*sigma, r))[::-1], V, rng.uniform(*lam, r))


def aligned_modes(covariance: Array, correlation: Array) -> Modes:
    """Return the modes of a problem given by its moments, largest sigma first.

    Args:
        covariance: Sxx (inputs, inputs), symmetric.
        correlation: Syx (outputs, inputs).

    Returns min(inputs, outputs) modes; directions of the input beyond them have sigma = 0.

    Raises ValueError if Sxx does not commute with Syx^T Syx: then no basis
    diagonalises both, the modes mix, and the theory of independent modes does not apply.

    >>> modes = aligned_modes(np.diag([1.0, 4.0]), np.array([[0.0, 2.0], [1.0, 0.0]]))
    >>> modes.sigma, modes.lam
    (array([2., 1.]), array([4., 1.]))
    """
    where = "aligned_modes"
    require_ndim(where, "correlation", correlation, 2, "(outputs, inputs)")
    outputs, inputs = correlation.shape
    require_shape(where, "covariance", covariance, (inputs, inputs))
    gram = correlation.T @ correlation
    largest = max(np.abs(covariance).max() * np.abs(gram).max(), np.finfo(float).tiny)
    mixing = np.abs(covariance @ gram - gram @ covariance).max() / largest
    if mixing > 1e-10:
        raise ValueError(
            f"{where}: the covariance Sxx must commute with Syx^T Syx, but their commutator is {mixing:.1e} of their "
            "size; whiten the inputs (Sxx = I always commutes) or simulate the coupled modes"
        )
    # A generic sum of two commuting matrices has only their common eigenvectors, degenerate or not.
    generic = gram / max(np.abs(gram).max(), 1e-300) + 0.6180339887 * covariance / max(np.abs(covariance).max(), 1e-300)
    _, V = np.linalg.eigh(generic)
    sigma = np.linalg.norm(correlation @ V, axis=0)
    order = np.argsort(-sigma, kind="stable")[: min(outputs, inputs)]
    V, sigma = V[:, order], sigma[order]
    lam = np.einsum("ij,ij->j", V, covariance @ V)
    # QR of the images Syx v_i, already orthogonal, gives the u_i and completes them where sigma_i = 0.
    Q, R = np.linalg.qr(correlation @ V)
    return Modes(Q * np.where(np.diagonal(R) < 0, -1.0, 1.0), sigma, V, lam)


def mode_arguments(
    where: str, t: ArrayLike, sigma: ArrayLike, lam: ArrayLike, *starts: ArrayLike
) -> tuple[Array, list[Array]]:
    """Return the times with trailing axes for the modes, and starts, sigma and lam broadcast to the modes' shape.

    Raises ValueError, in the name of the closed form `where`, unless all are
    finite, t and sigma at least 0, and lam at least 0 and positive where sigma is.
    """
    times = np.asarray(t, dtype=float)
    arrays = list(np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in (*starts, sigma, lam))))
    *_, sigma_, lam_ = arrays
    if not all(np.isfinite(x).all() for x in (times, *arrays)):
        raise ValueError(f"{where}: times, starts, sigma and lam must be finite")
    if (times < 0).any():
        raise ValueError(f"{where}: t must be at least 0, got {times.min():g}: backwards the modes can blow up")
    if (sigma_ < 0).any():
        raise ValueError(
            f"{where}: sigma are singular values of Syx, at least 0; got {sigma_.min():g}: move the sign into U"
        )
    if (lam_ < 0).any() or (lam_[sigma_ > 0] == 0).any():
        raise ValueError(f"{where}: lam are variances, at least 0, and positive where sigma is; got {lam_.min():g}")
    return times.reshape(times.shape + (1,) * sigma_.ndim), arrays


def mode_strengths(U: Array, W: Array, V: Array) -> Array:
    """Return `diag(U^T W V)` (..., r) of matrices W (..., outputs, inputs).

    Unlike singular values, these keep their sign and their place when modes
    cross, so that one mode can be followed through time.
    """
    return np.einsum("or,...oi,ir->...r", U, W, V)


def mode_coupling(U: Array, W: Array, V: Array) -> float:
    """Return the largest |entry| of `U^T W V` off its diagonal: 0 as long as modes stay independent."""
    inner = np.abs(U.T @ W @ V)
    inner[..., np.arange(inner.shape[-1]), np.arange(inner.shape[-1])] = 0
    return float(inner.max())
