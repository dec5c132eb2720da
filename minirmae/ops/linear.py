"""The affine map of a batch of vectors, and the chain of square maps that makes an autoencoder an IRMAE."""

from collections.abc import Callable

from minirmae.arrays import Array, array_module
from minirmae.validation import require_cotangent, require_float, require_ndim, require_shape


def linear(x: Array, W: Array, b: Array | None = None) -> tuple[Array, Callable[[Array], tuple[Array, ...]]]:
    """Affine map `y = x W + b` with x (N, I), W (I, O) and b (O,) or None.

    Returns y (N, O) and `backward(dy) -> (dx, dW, db)`, or `(dx, dW)` without a bias. Raises TypeError if dtypes differ
    or are not floating, ValueError if shapes do not fit.

    From d<dy, y> = sum_no dy_no (sum_i dx_ni W_io + x_ni dW_io + db_o): dx = dy W', dW = x' dy, db = sum_n dy_n.
    """
    require_ndim("linear", "x", x, 2, "(batch, inputs)")
    require_ndim("linear", "W", W, 2, "(inputs, outputs)")
    if x.shape[1] != W.shape[0]:
        raise ValueError(f"linear: x has {x.shape[1]} inputs but W {W.shape} takes {W.shape[0]}")
    require_float("linear", x=x, W=W, b=b)
    if b is not None:
        require_shape("linear", "b", b, (W.shape[1],))
    y = x @ W if b is None else x @ W + b

    def backward(dy: Array) -> tuple[Array, ...]:
        require_cotangent("linear backward", dy, y)
        dx, dW = dy @ W.T, x.T @ dy
        return (dx, dW) if b is None else (dx, dW, dy.sum(axis=0))

    return y, backward


def linear_stack(x: Array, W: Array) -> tuple[Array, Callable[[Array], tuple[Array, Array]]]:
    """Product of linear maps `y = x W_1 W_2 ... W_l` (Jing, Zbontar, LeCun 2020, section 3).

    x is (N, n), W the l square matrices (l, n, n); l = 0 is the identity. Returns y (N, n) and
    `backward(dy) -> (dx, dW)`; raises TypeError if dtypes differ or are not floating, ValueError if shapes do not fit.

    With x_0 = x, x_i = x_{i-1} W_i, and the cotangents walked backwards, dx_l = dy, dx_{i-1} = dx_i W_i', each factor
    is a linear map of its own: dW_i = x_{i-1}' dx_i.
    """
    require_ndim("linear_stack", "x", x, 2, "(batch, n)")
    require_ndim("linear_stack", "W", W, 3, "(layers, n, n)")
    require_float("linear_stack", x=x, W=W)
    if W.shape[1:] != (x.shape[1], x.shape[1]):
        raise ValueError(f"linear_stack: x {x.shape} needs W (layers, {x.shape[1]}, {x.shape[1]}), got {W.shape}")
    states = [x.copy()]
    for factor in W:
        states.append(states[-1] @ factor)

    def backward(dy: Array) -> tuple[Array, Array]:
        require_cotangent("linear_stack backward", dy, states[-1])
        dx, dW = dy.copy(), array_module(W).zeros_like(W)
        for i in reversed(range(len(W))):
            dx, dW[i] = dx @ W[i].T, states[i].T @ dx
        return dx, dW

    return states[-1], backward
