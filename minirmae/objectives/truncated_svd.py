"""Truncated SVD of a matrix, with a gradient that stays finite where singular values repeat.

`Z = U S V'` is cut to its k largest singular values: `Y = U_k S_k V_k'`. Its
derivative is usually written with differences of all pairs of singular values
in denominators, although those among the kept values cancel, and so do those
among the dropped: only gaps between a kept and a dropped value remain.

The derivation. Split a change dZ by the singular vectors, `E = U' dZ V`; i runs
over kept values, j over dropped ones. First-order perturbation turns the kept
vectors towards the dropped ones, `du_i = sum_j u_j (s_i E_ji + s_j E_ij) / (s_i^2 - s_j^2)`,
`dv_i` likewise with i and j of E swapped, so that `dY = U F V'` with

    F_ii' = E_ii',    F_jj' = 0,    F_ji = E_ji + c (s_j E_ji + s_i E_ij),
    c = s_j / (s_i^2 - s_j^2),      F_ij = E_ij + c (s_j E_ij + s_i E_ji).

E to F is symmetric, since Y is itself the gradient of `sum s_i^2 / 2` over the
kept values, so the backward is this same map: put dY in for dZ.
"""

from __future__ import annotations

from minirmae.arrays import Array, array_module
from minirmae.ops.entrywise import ArrayBackward
from minirmae.validation import require_cotangent, require_ndim, require_positive_int


def truncated_svd(Z: Array, k: int) -> tuple[Array, ArrayBackward]:
    """Best approximation of rank at most k: `Y = U_k S_k V_k'`, and `backward(dY) -> dZ`.

    Args:
        Z: (N, n), real.
        k: how many singular values to keep; with min(N, n) or more, Y is Z.

    Where a dropped value equals a kept one, up to rounding, Y jumps and has no derivative. For
    such a pair c is set to 0, as if the dropped value were 0: finite, and never longer than dY.

    Raises TypeError unless `Z` holds real floats (an SVD has no complex step), ValueError
    unless it is a matrix and k positive.

    >>> import numpy as np
    >>> Y, backward = truncated_svd(np.diag([3.0, 3.0, 1.0]), 2)
    >>> Y.diagonal(), backward(np.eye(3)).diagonal()
    (array([3., 3., 0.]), array([1., 1., 0.]))
    """
    require_ndim("truncated_svd", "Z", Z, 2, "(batch, code)")
    require_positive_int("truncated_svd", k=k)
    if Z.dtype.kind != "f":
        raise TypeError(f"truncated_svd: Z must hold real floats, got {Z.dtype}")
    xp = array_module(Z)
    U, s, Vt = xp.linalg.svd(Z, full_matrices=False)
    U1, s1, Vt1, U2, s2, Vt2 = U[:, :k], s[:k], Vt[:k], U[:, k:], s[k:], Vt[k:]
    Y = (U1 * s1) @ Vt1 if len(s2) else Z.copy()
    gap = s1[:, None] - s2
    apart = gap > s[:1] * max(Z.shape) * xp.finfo(s.dtype).eps
    c = xp.where(apart, s2 / xp.where(apart, gap * (s1[:, None] + s2), 1), 0)

    def backward(dY: Array) -> Array:
        require_cotangent("truncated_svd backward", dY, Y)
        if not len(s2):
            return dY.copy()
        left, right = U1.T @ dY, dY @ Vt1.T
        # Everything that touches a kept vector, as if all dropped values were 0 ...
        dZ = U1 @ left + (right - U1 @ (left @ Vt1.T)) @ Vt1
        # ... and what the dropped ones add: E_ij and E_ji, both laid out as (kept, dropped).
        Eij, Eji = left @ Vt2.T, (U2.T @ right).T
        dZ += U1 @ (c * (s2 * Eij + s1[:, None] * Eji)) @ Vt2
        dZ += U2 @ (c * (s2 * Eji + s1[:, None] * Eij)).T @ Vt1
        return dZ

    return Y, backward
