"""A matrix of codes: one row an image, one column a latent dimension.

Every measure of a trained autoencoder's codes (their rank, samples from their
distribution) starts the same way: check the matrix, convert it to float64, centre
it, form the covariance. Those first steps are here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minirmae.arrays import Array, array_module, asnumpy
from minirmae.validation import require_ndim


def require_matrix(where: str, name: str, matrix: Array, *, rows: int = 1) -> Array:
    """Return a float64 copy of `matrix` after checking that it is a matrix of finite real floats.

    Raises TypeError if it is not an array of real floats; ValueError if it has
    not two axes, fewer than `rows` rows, no columns, or a NaN or infinity.
    """
    kind = getattr(getattr(matrix, "dtype", None), "kind", None)
    if kind != "f":
        got = type(matrix).__name__ if kind is None else f"an array of {matrix.dtype}"
        raise TypeError(f"{where}: {name} must be an array of real floats, got {got}; convert it with numpy.asarray")
    require_ndim(where, name, matrix, 2, "(rows, columns)")
    if matrix.shape[0] < rows or matrix.shape[1] < 1:
        raise ValueError(f"{where}: {name} must have at least {rows} rows and 1 column, got shape {matrix.shape}")
    xp = array_module(matrix)
    if not xp.isfinite(matrix).all().item():
        host = asnumpy(matrix)
        row, column = (int(i) for i in np.argwhere(~np.isfinite(host))[0])
        raise ValueError(
            f"{where}: {name} must be finite, got {host[row, column]} at row {row}, column {column}; "
            "if it is a model's, the training has probably diverged: lower the learning rate"
        )
    result: Array = matrix.astype(xp.float64)
    return result


def mean_and_covariance(where: str, codes: Array) -> tuple[Array, Array]:
    """Return the mean (n,) and covariance (n, n) of `codes` (N, n) in float64, with divisor N - 1 as `numpy.cov`.

    Raises what `require_matrix` raises; the covariance needs at least 2 samples.
    """
    codes = require_matrix(where, "codes", codes, rows=2)
    # Relative to the first code, so that a column that does not vary has a variance of exactly 0.
    shifted = codes - codes[0]
    shift = shifted.mean(axis=0)
    centred = shifted - shift
    return codes[0] + shift, centred.T @ centred / (len(codes) - 1)


def symmetric_root(covariance: Array) -> Array:
    """Return the symmetric R with R @ R = `covariance` (n, n), eigenvalues below 0 taken as 0.

    Unlike a Cholesky factor it exists for a singular covariance, and unlike
    the bare eigenvectors it is unique, so samples made with it are repeatable.
    """
    xp = array_module(covariance)
    eigenvalues, eigenvectors = xp.linalg.eigh(covariance)
    root: Array = (eigenvectors * xp.sqrt(xp.maximum(eigenvalues, 0.0))) @ eigenvectors.T
    return root


def require_generator(where: str, rng: Any) -> None:
    """Raise TypeError unless `rng` is a `numpy.random.Generator`."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"{where}: rng must be a numpy.random.Generator, got {type(rng).__name__}; "
            "make one with numpy.random.default_rng(seed)"
        )
