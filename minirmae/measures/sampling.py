"""New codes from the codes of a trained autoencoder, as in the evaluation of IRMAE.

Jing, Zbontar and LeCun 2020 judge a latent space by what its decoder makes of
codes that no image produced: on the line between two codes, on a grid along
the principal components, from one Gaussian, from a mixture of Gaussians. The
functions here need no model: they take codes and return codes of the same
dtype, ready to be decoded.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minirmae.arrays import Array, array_module, asarray, device_of
from minirmae.measures.codes import mean_and_covariance, require_generator, require_matrix, symmetric_root
from minirmae.measures.mixture import fit_mixture
from minirmae.validation import require_int, require_one_device, require_positive_int


def interpolate(z0: Array, z1: Array, steps: int = 10) -> Array:
    """Return the points z1 + (z0 - z1) j / steps, j = 0..steps, as (pairs, steps + 1, n).

    `z0` and `z1` are (pairs, n) of one dtype. As in the paper's code the row
    runs from z1 (j = 0) to z0 (j = steps); both ends are exact.

    Raises TypeError or ValueError for codes that do not match or are not finite float matrices.

    >>> interpolate(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]), steps=2)
    array([[[0. , 1. ],
            [0.5, 0.5],
            [1. , 0. ]]])
    """
    where = "interpolate"
    require_positive_int(where, steps=steps)
    start, end = require_matrix(where, "z1", z1), require_matrix(where, "z0", z0)
    if z0.shape != z1.shape or z0.dtype != z1.dtype:
        raise ValueError(
            f"{where}: z0 and z1 must have one shape (pairs, latent) and one dtype, "
            f"got {z0.shape} {z0.dtype} and {z1.shape} {z1.dtype}"
        )
    require_one_device(where, z1=z1, z0=z0)
    t = array_module(z0).linspace(0, 1, steps + 1)[:, None]
    # The weighted form, not start + (end - start) t, whose rounding misses z0 at t = 1.
    line: Array = start[:, None, :] * (1 - t) + end[:, None, :] * t
    return line.astype(z0.dtype)


def sample_gaussian(codes: Array, count: int, rng: np.random.Generator) -> Array:
    """Draw `count` codes (count, n) from the Gaussian with the mean and covariance of `codes` (N, n).

    The covariance may be singular, as a rank-minimising autoencoder's is: the
    samples then lie in the same subspace as the codes.

    Raises TypeError or ValueError for a bad `count` or `rng`, or unless `codes`
    is a finite float matrix with N >= 2.
    """
    where = "sample_gaussian"
    require_positive_int(where, count=count)
    require_generator(where, rng)
    mean, covariance = mean_and_covariance(where, codes)
    noise = asarray(rng.standard_normal((count, len(mean))), device_of(codes))
    return (mean + noise @ symmetric_root(covariance)).astype(codes.dtype)


def sample_mixture(
    codes: Array, count: int, rng: np.random.Generator, components: int = 4, *, max_iterations: int = 200
) -> Array:
    """Draw `count` codes (count, n) from a mixture of Gaussians fitted to `codes` (N, n).

    `components` and `max_iterations` are those of `fit_mixture`.

    Raises what `fit_mixture` raises, and ValueError for a bad `count`.
    """
    require_positive_int("sample_mixture", count=count)
    fitted = fit_mixture(codes, components, rng=rng, max_iterations=max_iterations)
    return fitted.sample(count, rng).astype(codes.dtype)


class PrincipalComponents(NamedTuple):
    """The mean of some codes and their leading directions, in float64."""

    mean: Array
    """(n,)."""
    components: Array
    """Orthonormal rows (k, n), most variance first; the largest entry of each is positive."""
    std: Array
    """Standard deviation of the codes along each component (k,), divisor N - 1."""


def principal_components(codes: Array, k: int) -> PrincipalComponents:
    """Return the mean and the first `k` principal components of `codes` (N, n), 1 <= k <= n.

    A component is defined up to its sign; the one that makes its entry of
    largest magnitude positive is chosen, so that figures are repeatable.

    Raises ValueError for a `k` out of range, TypeError or ValueError unless
    `codes` is a finite float matrix with N >= 2.
    """
    where = "principal_components"
    require_positive_int(where, k=k)
    mean, covariance = mean_and_covariance(where, codes)
    if k > len(mean):
        raise ValueError(f"{where}: k must be at most the latent size {len(mean)}, got {k}")
    xp = array_module(codes)
    eigenvalues, eigenvectors = xp.linalg.eigh(covariance)
    components = eigenvectors.T[::-1][:k]
    largest = xp.argmax(xp.abs(components), axis=1)
    signs = xp.where(components[xp.arange(k), largest] < 0, -1.0, 1.0)
    return PrincipalComponents(mean, components * signs[:, None], xp.sqrt(xp.maximum(eigenvalues[::-1][:k], 0.0)))


def pca_grid(codes: Array, side: int = 10, extent: float = 2.0) -> Array:
    """Return a square grid of codes (side * side, n) along the first two principal components of `codes` (N, n).

    Each axis runs over -extent..extent standard deviations. In reading order
    the first component grows from left to right and the second from bottom to
    top, as the axes of a plot do.

    Raises ValueError unless side >= 2, extent is positive and the codes have
    at least two columns; TypeError or ValueError for codes that are not a
    finite float matrix.
    """
    where = "pca_grid"
    require_int(where, "side", side, 2)
    if not 0 < extent < np.inf:
        raise ValueError(f"{where}: extent must be positive and finite, got {extent}")
    if require_matrix(where, "codes", codes, rows=2).shape[1] < 2:
        raise ValueError(f"{where}: codes must have at least 2 columns, got shape {codes.shape}")
    mean, components, std = principal_components(codes, 2)
    axis = np.linspace(-extent, extent, side)
    across, up = np.meshgrid(axis, axis[::-1])
    steps = asarray(np.stack([across.ravel(), up.ravel()], axis=1), device_of(codes))
    grid: Array = mean + steps * std @ components
    return grid.astype(codes.dtype)
