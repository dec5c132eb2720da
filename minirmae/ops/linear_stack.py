"""A chain of square linear maps without bias: the part that makes an autoencoder an IRMAE."""

from __future__ import annotations

from collections.abc import Callable

from minirmae.arrays import Array, array_module
from minirmae.validation import cotangent_check, require_float, require_ndim


def linear_stack(x: Array, W: Array) -> tuple[Array, Callable[..., tuple[Array, Array]]]:
    """Product of linear maps `y = x W_1 W_2 ... W_l` (Jing, Zbontar, LeCun 2020, section 3).

    Args:
        x: inputs, shape (N, n).
        W: the l square matrices, shape (l, n, n); `l = 0` is the identity.

    Returns:
        y, shape (N, n), and `backward(dy, out=None) -> (dx, dW)`;
        `dW` is written into the contiguous `out` if that is given.

    Raises:
        TypeError: dtypes differ or are not floating.
        ValueError: shapes do not fit.

    With the inputs of each factor, `x_0 = x` and `x_i = x_{i-1} W_i`, and the
    cotangents walked backwards, `dx_l = dy` and `dx_{i-1} = dx_i W_i'`, each
    factor is a linear map of its own: `dW_i = x_{i-1}' dx_i`.

    >>> import numpy as np
    >>> y, backward = linear_stack(np.array([[1.0]]), np.array([[[2.0]], [[3.0]]]))
    >>> dx, dW = backward(np.array([[1.0]]))
    >>> y.item(), dx.item(), dW.ravel()
    (6.0, 6.0, array([3., 2.]))
    """
    require_ndim("linear_stack", "x", x, 2, "(batch, n)")
    require_ndim("linear_stack", "W", W, 3, "(layers, n, n)")
    require_float("linear_stack", x=x, W=W)
    if W.shape[1:] != (x.shape[1], x.shape[1]):
        raise ValueError(
            f"linear_stack: x has {x.shape[1]} columns, so W must be (layers, n, n) with that n; got {W.shape}"
        )
    inputs = [x]
    for i in range(len(W)):
        inputs.append(inputs[-1] @ W[i])
    y = inputs.pop()
    if y is x:
        y = x.copy()
    check = cotangent_check("linear_stack backward", y)

    def backward(dy: Array, out: Array | None = None) -> tuple[Array, Array]:
        check(dy)
        xp = array_module(W)
        dx, dW = dy.copy(), xp.empty_like(W) if out is None else out
        for i in reversed(range(len(W))):
            xp.matmul(inputs[i].T, dx, out=dW[i])
            # The transposed product reads the factor in the order in which it lies.
            dx = (W[i] @ dx.T).T
        return dx, dW

    return y, backward


def collapse(W: Array) -> Array:
    """Return the one (n, n) matrix `W_1 W_2 ... W_l` that does what the stack `W` (l, n, n) does."""
    require_ndim("collapse", "W", W, 3, "(layers, n, n)")
    product = array_module(W).eye(W.shape[1], dtype=W.dtype)
    for i in range(len(W)):
        product = product @ W[i]
    return product
