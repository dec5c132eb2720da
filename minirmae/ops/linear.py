"""The affine map of a batch of vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minirmae.arrays import Array
from minirmae.engines.cpu.products import product
from minirmae.validation import cotangent_check, require_float, require_ndim, require_shape


def linear(x: Array, W: Array, b: Array | None = None) -> tuple[Array, Callable[..., tuple[Array, ...]]]:
    """Affine map `y = x W + b`.

    Args:
        x: inputs, shape (N, I).
        W: weights, shape (I, O).
        b: bias, shape (O,), or None for a purely linear map.

    Returns:
        y, shape (N, O), and `backward(dy, out=None, *, input_gradient=True) -> (dx, dW, db)`, or `(dx, dW)`
        without a bias; `dW` is written into the contiguous `out` if that is given, and `dx` is None without
        `input_gradient`.

    Raises:
        TypeError: dtypes differ or are not floating.
        ValueError: shapes do not fit.

    With `y_no = sum_i x_ni W_io + b_o` and the cotangent `dy`,

        d<dy, y> = sum_no dy_no (sum_i dx_ni W_io + x_ni dW_io + db_o),

    so reading off the coefficients gives `dx = dy W'`, `dW = x' dy`, `db = sum_n dy_n`.

    >>> import numpy as np
    >>> y, backward = linear(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]), np.array([5.0]))
    >>> y
    array([[16.]])
    >>> dx, dW, db = backward(np.array([[1.0]]))
    >>> dx, dW.ravel(), db
    (array([[3., 4.]]), array([1., 2.]), array([1.]))
    """
    require_ndim("linear", "x", x, 2, "(batch, inputs)")
    require_ndim("linear", "W", W, 2, "(inputs, outputs)")
    if x.shape[1] != W.shape[0]:
        raise ValueError(f"linear: x has {x.shape[1]} inputs but W {W.shape} takes {W.shape[0]}")
    if b is None:
        require_float("linear", x=x, W=W)
    else:
        require_float("linear", x=x, W=W, b=b)
        require_shape("linear", "b", b, (W.shape[1],))

    y = product(x, W)
    if b is not None:
        y += b
    check = cotangent_check("linear backward", y)

    def backward(dy: Array, out: Array | None = None, *, input_gradient: bool = True) -> tuple[Any, ...]:
        check(dy)
        # The transposed product reads wide weights in the order in which they lie.
        dx = (W @ dy.T).T if input_gradient else None
        dW = product(x.T, dy, out)
        return (dx, dW) if b is None else (dx, dW, dy.sum(axis=0))

    return y, backward
