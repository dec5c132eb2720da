"""The tangent passes of ops: how the value moves when the input moves, and the backward of both.

`(y, ty), backward = op_tangent(x, tx, ...)` gives the op's value `y` and the
directional derivative `ty = J tx`, where J is the Jacobian in `x`;
`backward(dy, dty) -> (dx, dtx, ...)` is the gradient of `<dy, y> + <dty, ty>`.
It contains derivatives of derivatives, so a loss may depend on J: the gradient
penalty and the contractive autoencoder do.

`tx` is one direction, of the shape of `x`, or many that share one forward, of
shape (K, *x.shape); `ty` is shaped likewise, as (K, *y.shape).

Two rules make them all. A map that is affine in `x` moves by its linear part,
`ty = tx W`, and is used twice. An activation moves by `ty = f'(x) tx`, whose own
derivative in `x` is `f''(x) tx`. A maximum moves as the entry that it took.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from minirmae import ops
from minirmae.arrays import Array, array_module
from minirmae.ops.pooling import taken_entries, window_pixels
from minirmae.validation import require_cotangent, require_float

Pair = tuple[Array, Array]
Pixels = int | tuple[int, int]
TangentBackward = Callable[[Array, Array], tuple[Array, ...]]
Tangent = tuple[Pair, TangentBackward]
PlainTangent = tuple[Pair, Callable[[Array, Array], Pair]]


def linear_tangent(x: Array, tx: Array, W: Array, b: Array | None = None) -> Tangent:
    """Tangent pass of `ops.linear`: `ty = tx W`.

    Args:
        x, tx: (N, I); tx may have leading axes for several directions.
        W, b: as in `ops.linear`.

    Returns:
        (y, ty), and `backward(dy, dty) -> (dx, dtx, dW, db)`, or `(dx, dtx, dW)` without a bias.

    Raises what `ops.linear` raises, and ValueError if `tx` does not end in the shape of `x`.

    >>> import numpy as np
    >>> (y, ty), backward = linear_tangent(np.array([[2.0]]), np.array([[1.0]]), np.array([[3.0]]), np.array([4.0]))
    >>> y, ty
    (array([[10.]]), array([[3.]]))
    >>> [g.item() for g in backward(np.array([[1.0]]), np.array([[10.0]]))]
    [3.0, 30.0, 12.0, 1.0]
    """
    return affine_tangent("linear_tangent", ops.linear, x, tx, W, b)


def linear_stack_tangent(x: Array, tx: Array, W: Array) -> Tangent:
    """Tangent pass of `ops.linear_stack`: `ty = tx W_1 ... W_l`; `backward(dy, dty) -> (dx, dtx, dW)`."""
    return affine_tangent("linear_stack_tangent", ops.linear_stack, x, tx, W, None)


def conv2d_tangent(x: Array, tx: Array, W: Array, b: Array | None = None, **geometry: Any) -> Tangent:
    """Tangent pass of `ops.conv2d` with its `stride` and `padding`; results as for `linear_tangent`."""
    return affine_tangent("conv2d_tangent", ops.conv2d, x, tx, W, b, **geometry)


def conv_transpose2d_tangent(x: Array, tx: Array, W: Array, b: Array | None = None, **geometry: Any) -> Tangent:
    """Tangent pass of `ops.conv_transpose2d` with its geometry; results as for `linear_tangent`."""
    return affine_tangent("conv_transpose2d_tangent", ops.conv_transpose2d, x, tx, W, b, **geometry)


def relu_tangent(x: Array, tx: Array) -> PlainTangent:
    """Tangent pass of `ops.relu`; away from the kink it is linear, so `f'' = 0`."""
    return _activation("relu_tangent", ops.relu(x), x, tx, None)


def leaky_relu_tangent(x: Array, tx: Array, slope: float = 0.01) -> PlainTangent:
    """Tangent pass of `ops.leaky_relu`; `f'' = 0`."""
    return _activation("leaky_relu_tangent", ops.leaky_relu(x, slope), x, tx, None)


def sigmoid_tangent(x: Array, tx: Array) -> PlainTangent:
    """Tangent pass of `ops.sigmoid`: `f' = y (1 - y)` and `f'' = f' (1 - 2 y)`.

    `1 - 2 y = -tanh(x / 2)`, which keeps its digits where y is near a half.
    """
    bend = -array_module(x).tanh(x / 2)
    return _activation("sigmoid_tangent", ops.sigmoid(x), x, tx, bend)


def tanh_tangent(x: Array, tx: Array) -> PlainTangent:
    """Tangent pass of `ops.tanh`: `f' = 1 - y^2` and `f'' = -2 y f'`."""
    y, backward = ops.tanh(x)
    return _activation("tanh_tangent", (y, backward), x, tx, -2 * y)


def reshape_tangent(x: Array, tx: Array, shape: tuple[int, ...]) -> PlainTangent:
    """Tangent pass of `ops.reshape`; `backward(dy, dty) -> (dx, dtx)`."""
    return _linear("reshape_tangent", lambda a: ops.reshape(a, shape), x, tx)


def flatten_tangent(x: Array, tx: Array) -> PlainTangent:
    """Tangent pass of `ops.flatten`; `backward(dy, dty) -> (dx, dtx)`."""
    return reshape_tangent(x, tx, (math.prod(x.shape[1:]),))


def avg_pool2d_tangent(x: Array, tx: Array, kernel: Pixels, stride: Pixels | None = None) -> PlainTangent:
    """Tangent pass of `ops.avg_pool2d`; `backward(dy, dty) -> (dx, dtx)`."""
    return _linear("avg_pool2d_tangent", lambda a: ops.avg_pool2d(a, kernel, stride), x, tx)


def max_pool2d_tangent(x: Array, tx: Array, kernel: Pixels, stride: Pixels | None = None) -> PlainTangent:
    """Tangent pass of `ops.max_pool2d`: `ty` is what `tx` has where `y` was taken; `backward(dy, dty) -> (dx, dtx)`.

    Away from ties the choice does not move, so there is no second derivative.
    """
    where, xp = "max_pool2d_tangent", array_module(x)
    require_direction(where, x, tx)
    y, value_backward = ops.max_pool2d(x, kernel, stride)
    pixels = list(window_pixels(where, x, kernel, stride))
    choices: list[tuple[Any, Array]] = [
        ((..., *at[1:], slice(None)), taken) for at, taken in taken_entries(x, y, pixels)
    ]
    ty = xp.zeros((*_leading(tx, x), *y.shape), dtype=x.dtype)
    for entries, taken in choices:
        ty += tx[entries] * taken

    def backward(dy: Array, dty: Array) -> Pair:
        require_cotangent(where, dty, ty)
        dtx = xp.zeros_like(tx)
        for entries, taken in choices:
            dtx[entries] += dty * taken
        return value_backward(dy), dtx

    return (y, ty), backward


def dropout_tangent(x: Array, tx: Array, keep: Array, rate: float) -> PlainTangent:
    """Tangent pass of `ops.dropout`: value and every direction lose the same entries."""

    def drop(a: Array) -> tuple[Array, Callable[[Array], Array]]:
        copies = array_module(a).broadcast_to(keep, (len(a) // max(len(keep), 1), *keep.shape))
        return ops.dropout(a, copies.reshape(a.shape), rate)

    return _linear("dropout_tangent", drop, x, tx)


def mean_squared_error_tangent(prediction: Array, tprediction: Array, target: Array) -> Tangent:
    """Tangent pass of `ops.mean_squared_error` for one direction.

    Args:
        prediction, tprediction, target: any shape, the same for all.

    Returns:
        (loss, tloss), two scalars, and `backward(dloss=1, dtloss=1) -> (dprediction, dtprediction)`.

    With the error e and n entries, `tloss = 2 <e, tp> / n`; so
    `dp = 2 (dloss e + dtloss tp) / n` and `dtp = 2 dtloss e / n`.
    """
    require_direction("mean_squared_error_tangent", prediction, tprediction)
    loss, loss_backward = ops.mean_squared_error(prediction, target)
    slope = loss_backward()
    tloss = (slope * tprediction).sum()
    curvature = 2 / prediction.size

    def backward(dloss: Any = 1.0, dtloss: Any = 1.0) -> Pair:
        return dloss * slope + dtloss * curvature * tprediction, dtloss * slope

    return (loss, tloss), backward


def require_direction(where: str, x: Array, tx: Array) -> None:
    """Raise unless `tx` has the dtype of `x` and its shape, after any leading axes that count directions."""
    require_float(where, x=x, tx=tx)
    if tx.shape[max(tx.ndim - x.ndim, 0) :] != x.shape:
        raise ValueError(
            f"{where}: tx must have the shape of x, {x.shape}, or (directions, ...) before; got {tx.shape}"
        )


def affine_tangent(
    where: str, op: Any, x: Array, tx: Array, W: Array, b: Array | None = None, **options: Any
) -> Tangent:
    """The rule of every `op` with `y = x W + b`: the op itself, and without its bias on every direction."""
    bias = () if b is None else (b,)
    require_direction(where, x, tx)
    y, value_backward = op(x, W, *bias, **options)
    moved, moved_backward = op(_together(tx, x), W, **options)
    ty = moved.reshape(*_leading(tx, x), *y.shape)

    def backward(dy: Array, dty: Array) -> tuple[Array, ...]:
        require_cotangent(where, dty, ty)
        dx, dW, *db = value_backward(dy)
        dtx, dW_moved = moved_backward(_together(dty, y))
        return dx, dtx.reshape(tx.shape), dW + dW_moved, *db

    return (y, ty), backward


def _linear(where: str, op: Any, x: Array, tx: Array) -> PlainTangent:
    """The rule of a linear map without parameters."""
    require_direction(where, x, tx)
    y, value_backward = op(x)
    moved, moved_backward = op(_together(tx, x))
    ty = moved.reshape(*_leading(tx, x), *y.shape)

    def backward(dy: Array, dty: Array) -> Pair:
        require_cotangent(where, dty, ty)
        return value_backward(dy), moved_backward(_together(dty, y)).reshape(tx.shape)

    return (y, ty), backward


def _activation(where: str, value: tuple[Array, Any], x: Array, tx: Array, bend: Array | None) -> PlainTangent:
    """The rule of `y = f(x)`, where `value = f(x), backward` and `bend = f'' / f'`, None for zero."""
    require_direction(where, x, tx)
    y, value_backward = value
    slope = value_backward(array_module(y).ones_like(y))
    ty = slope * tx

    def backward(dy: Array, dty: Array) -> Pair:
        require_cotangent(where, dty, ty)
        dx = value_backward(dy)
        if bend is not None:
            # Every direction looks at x, so their contributions add up.
            dx = dx + slope * bend * (tx * dty).sum(axis=tuple(range(tx.ndim - x.ndim)))
        return dx, slope * dty

    return (y, ty), backward


def _leading(tx: Array, x: Array) -> tuple[int, ...]:
    """The axes of `tx` that count directions."""
    return tx.shape[: tx.ndim - x.ndim]


def _together(tx: Array, x: Array) -> Array:
    """All directions as one batch; `x` has the shape of one."""
    return tx.reshape(math.prod(_leading(tx, x)) * len(x), *x.shape[1:])
