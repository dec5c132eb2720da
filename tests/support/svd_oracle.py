"""The truncated SVD without an SVD, analytic in the matrix: what a complex step can go through.

LAPACK's SVD of a complex matrix is Hermitian: it conjugates, which is not analytic,
and its vectors have free phases. But the projector on the k leading right singular vectors is an
analytic function of `G = Z' Z` (transposed, not conjugated): with c anywhere between
the k-th and the next eigenvalue it is `(I + sign(G / c - I)) / 2`, and Newton's iteration
`X <- (X + X^-1) / 2` has the matrix sign as its limit. Only the projector enters, so repeated
singular values do no harm unless one is kept and its equal dropped.
"""

import numpy as np

from minirmae.objectives.rrae import truncated_svd


def analytic_truncation(Z, k):
    """`U_k S_k V_k'` of a complex `Z` (N, n) with a small imaginary part."""
    s = np.linalg.svd(Z.real, compute_uv=False)
    if k >= len(s):
        return Z.copy()
    X = Z.T @ Z / (s[k - 1] ** 2 + s[k] ** 2) * 2 - np.eye(Z.shape[1])
    for _ in range(60):
        X = (X + np.linalg.inv(X)) / 2
    return Z @ (X + np.eye(len(X))) / 2


def with_complex_step(Z, k):
    """The code under test for real arguments, the oracle for complex ones, which has no backward."""
    return (analytic_truncation(Z, k), None) if np.iscomplexobj(Z) else truncated_svd(Z, k)
