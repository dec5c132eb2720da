"""Where a flow starts: factors with a prescribed product and a prescribed balance.

Gradient flow conserves `D_j = W_{j+1}^T W_{j+1} - W_j W_j^T`, so the start
fixes it. *Balanced* means all D_j = 0; a two-layer network is
*lambda-balanced* if D_1 is lambda times the identity; *aligned* factors are
`W_j = R_{j+1} diag(a_j) R_j^T` with orthonormal columns R_j, so that every
layer acts on the modes one by one. Hidden bases are arbitrary under gradient
descent and flow; pass a generator to draw them, or None for unit vectors.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minirmae.arrays import Array
from minirmae.initializers import orthogonal
from minirmae.validation import require_ndim, require_positive_int


def orthonormal_columns(rng: np.random.Generator | None, rows: int, columns: int) -> Array:
    """Return a matrix (rows, columns) with orthonormal columns, uniform among all of them.

    Without a generator the columns are the first unit vectors. Raises
    ValueError if there are more columns than rows.
    """
    require_positive_int("orthonormal_columns", rows=rows, columns=columns)
    if columns > rows:
        raise ValueError(f"orthonormal_columns: {columns} orthonormal columns do not fit into {rows} dimensions")
    return np.eye(rows, columns) if rng is None else orthogonal(rng, (rows, columns), rows, columns)


def aligned_factors(
    U: Array, strengths: Array, V: Array, hidden: Sequence[int], rng: np.random.Generator | None = None
) -> list[Array]:
    """Return `W_j = R_{j+1} diag(a_j) R_j^T` with R_1 = V and R_{N+1} = U; the product is `U diag(a_1 ... a_N) V^T`.

    Args:
        U: (outputs, r), orthonormal columns.
        strengths: (N, r), the a_j of each layer, of any sign.
        V: (inputs, r), orthonormal columns.
        hidden: the N - 1 widths between.

    Raises ValueError if the shapes do not fit, columns are not orthonormal, or a
    hidden layer is narrower than the number of modes.
    """
    where = "aligned_factors"
    require_ndim(where, "strengths", strengths, 2, "(layers, modes)")
    depth, r = strengths.shape
    for name, basis in (("U", U), ("V", V)):
        require_ndim(where, name, basis, 2, "(dimensions, modes)")
        if basis.shape[1] != r or not np.allclose(basis.T @ basis, np.eye(r), atol=1e-10):
            raise ValueError(f"{where}: {name} must have {r} orthonormal columns, got shape {basis.shape}")
    if len(hidden) != depth - 1:
        raise ValueError(f"{where}: {depth} layers have {depth - 1} hidden widths, got {len(hidden)}")
    if depth > 1 and min(hidden) < r:
        raise ValueError(
            f"{where}: a hidden layer of width {min(hidden)} is a bottleneck narrower than the {r} modes it must carry"
        )
    bases = [V, *(orthonormal_columns(rng, width, r) for width in hidden), U]
    return [(bases[j + 1] * strengths[j]) @ bases[j].T for j in range(depth)]


def balanced_factors(product: Array, hidden: Sequence[int], rng: np.random.Generator | None = None) -> list[Array]:
    """Return balanced factors of a matrix: aligned on its singular vectors, each with `s^(1/N)`.

    Args:
        product: (outputs, inputs).
        hidden: the N - 1 widths between; none gives depth 1.

    Raises ValueError if a hidden layer is narrower than the rank of the product.

    >>> W1, W2 = balanced_factors(np.array([[4.0, 0.0], [0.0, 0.0]]), [1])
    >>> bool(np.allclose(W2 @ W1, [[4, 0], [0, 0]])), bool(np.allclose(W2.T @ W2, W1 @ W1.T))
    (True, True)
    """
    U, s, V = _svd("balanced_factors", product, min(hidden, default=min(product.shape)))
    depth = len(hidden) + 1
    return aligned_factors(U, np.tile(s ** (1 / depth), (depth, 1)), V, hidden, rng)


def lambda_balanced_factors(
    product: Array, lam: float, hidden: int, rng: np.random.Generator | None = None
) -> tuple[Array, Array]:
    """Return `W_1, W_2` with `W_2 W_1 = product` and `W_2^T W_2 - W_1 W_1^T = lam I`.

    Args:
        product: (outputs, inputs).
        lam: of any sign; 0 is balanced.
        hidden: the width between. `lam > 0` makes W_2 of full column rank, so
            hidden <= outputs; `lam < 0` needs hidden <= inputs.

    With singular values s of the product, the layers have w_1 and w_2 where
    `w_1 w_2 = s` and `w_2^2 - w_1^2 = lam`; the larger square is
    `(|lam| + sqrt(lam^2 + 4 s^2)) / 2`.

    Raises ValueError if the width does not allow it.
    """
    where = "lambda_balanced_factors"
    require_positive_int(where, hidden=hidden)
    side, limit = ("outputs", product.shape[0]) if lam > 0 else ("inputs", product.shape[1])
    if lam != 0 and hidden > limit:
        raise ValueError(
            f"{where}: lam = {lam:g} needs a hidden width of at most the number of {side}, {limit}; got {hidden}"
        )
    U, s, V = _svd(where, product, hidden)
    modes = min(hidden, *product.shape)
    larger = (abs(lam) + np.hypot(lam, 2 * s)) / 2
    smaller = np.divide(s**2, larger, out=np.zeros_like(s), where=larger > 0)
    first, second = (smaller, larger) if lam > 0 else (larger, smaller)
    R = orthonormal_columns(rng, hidden, hidden)
    W1, W2 = (R[:, :modes] * np.sqrt(first)) @ V.T, (U * np.sqrt(second)) @ R[:, :modes].T
    # Hidden directions beyond the product's modes carry sqrt|lam| in one layer and nothing in the other.
    if lam > 0:
        W2 = W2 + np.sqrt(lam) * _complement(U, hidden - modes) @ R[:, modes:].T
    elif lam < 0:
        W1 = W1 + np.sqrt(-lam) * R[:, modes:] @ _complement(V, hidden - modes).T
    return W1, W2


def _svd(where: str, product: Array, width: int) -> tuple[Array, Array, Array]:
    """The leading singular triplets that fit through `width`, refusing a product of larger rank."""
    require_ndim(where, "product", product, 2, "(outputs, inputs)")
    U, s, Vt = np.linalg.svd(product, full_matrices=False)
    rank = int((s > s[0] * max(product.shape) * np.finfo(float).eps).sum())
    if rank > width:
        raise ValueError(
            f"{where}: a hidden layer of width {width} is a bottleneck narrower than the product's rank {rank}"
        )
    return U[:, :width], s[:width], Vt[:width].T


def _complement(basis: Array, count: int) -> Array:
    """`count` orthonormal columns, orthogonal to those of `basis`."""
    complete, _ = np.linalg.qr(basis, mode="complete")
    return complete[:, basis.shape[1] : basis.shape[1] + count]
