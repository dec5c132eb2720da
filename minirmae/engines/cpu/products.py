"""Products of matrices in pieces that BLAS multiplies where they lie.

OpenBLAS copies ("packs") the factors of a product into an order of its own
before it multiplies. For small ones it has kernels that do without, on
processors with AVX-512, and these are the faster ones as long as the factor
that every piece uses again stays in the first cache. So a product of many rows
is made a few rows at a time, one of few rows and many columns a few columns at
a time. The terms of each sum stay together.
"""

from __future__ import annotations

import numpy as np

from minirmae.arrays import Array, array_module

LIMIT = 1_000_000
"""Multiplications that OpenBLAS does without packing, at most (its `sgemm_small_kernel_permit`)."""

ROWS, COLUMNS = 32, 64
"""Fewer rows or columns a piece are not worth it."""


def product(a: Array, b: Array, out: Array | None = None) -> Array:
    """`a @ b` of two matrices or of as many in a and b (..., M, K), (..., K, N); written into a contiguous `out`."""
    xp = array_module(a)
    if xp is not np or a.size * b.shape[-1] <= LIMIT:
        return xp.matmul(a, b, out=out)
    M, K, N = a.shape[-2], a.shape[-1], b.shape[-1]
    rows, columns = _divisor(M, LIMIT // (K * N)), _divisor(N, LIMIT // (M * K))
    if rows < ROWS and columns < COLUMNS:
        return xp.matmul(a, b, out=out)
    if out is None:
        out = xp.empty((*a.shape[:-1], N), dtype=a.dtype)
    stack = a.shape[:-2]
    if rows >= ROWS:
        pieces = *stack, M // rows, rows
        xp.matmul(a.reshape(*pieces, K), b[..., None, :, :], out=out.reshape(*pieces, N))
    else:
        pieces = N // columns, columns
        xp.matmul(
            a[..., None, :, :],
            b.reshape(*b.shape[:-1], *pieces).swapaxes(-2, -3),
            out=out.reshape(*stack, M, *pieces).swapaxes(-2, -3),
        )
    return out


def _divisor(number: int, limit: int) -> int:
    """The largest divisor of `number` up to `limit`, 0 if there is none."""
    return next((k for k in range(min(number, limit), 0, -1) if number % k == 0), 0)
