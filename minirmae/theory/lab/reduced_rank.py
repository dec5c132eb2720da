"""The best matrices of each rank, and the matrices at which a small start makes training rest.

Both are sums over the first modes, but they rank modes differently: regression
by the loss that a mode explains, `sigma^2/(2 lam)`, training by its pace, sigma.
They agree if the r largest sigma also have the r largest sigma/sqrt(lam), for
instance on whitened inputs.
"""

from __future__ import annotations

import numpy as np

from minirmae.arrays import Array
from minirmae.theory.lab.modes import Modes
from minirmae.validation import require_int, require_shape


def plateaus(modes: Modes) -> Array:
    """Return where training rests: (r + 1, outputs, inputs), the sum over the first 0..r modes by decreasing sigma."""
    order = np.argsort(-modes.sigma, kind="stable")
    U, V, final = modes.U[:, order], modes.V[:, order], (modes.sigma / modes.lam)[order]
    terms = np.einsum("om,m,im->moi", U, final, V)
    return np.concatenate([np.zeros_like(terms[:1]), terms.cumsum(axis=0)])


def reduced_rank_regression(covariance: Array, correlation: Array, rank: int) -> Array:
    """Return the W (outputs, inputs) of at most this rank that minimises `|Y - W X|^2`.

    Args:
        covariance: Sxx (inputs, inputs), positive definite; it need not commute with anything.
        correlation: Syx (outputs, inputs).

    With `C = Syx Sxx^(-1/2)` it is `C_r Sxx^(-1/2)`, C_r being C's truncated singular value
    decomposition (Izenman 1975): in the basis of T1, modes are ranked by sigma/sqrt(lam).

    Raises ValueError if shapes do not fit or a direction of the inputs has no variance.

    >>> reduced_rank_regression(np.diag([4.0, 1.0]), np.diag([3.0, 2.0]), 1)
    array([[0., 0.],
           [0., 2.]])
    """
    where = "reduced_rank_regression"
    require_int(where, "rank", rank, 0)
    require_shape(where, "covariance", covariance, (correlation.shape[1],) * 2)
    variances, basis = np.linalg.eigh(covariance)
    if variances[0] <= 1e-13 * variances[-1]:
        raise ValueError(f"{where}: Sxx must be positive definite: a direction of the inputs has no variance")
    whitening = (basis / np.sqrt(variances)) @ basis.T
    U, s, Vt = np.linalg.svd(correlation @ whitening, full_matrices=False)
    W: Array = (U[:, :rank] * s[:rank]) @ Vt[:rank] @ whitening
    return W
