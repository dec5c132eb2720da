"""Two-dimensional convolution: the trilinear form read forwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minirmae.arrays import Array
from minirmae.engines.cpu.form import channel_sum
from minirmae.engines.cpu.patches import Pair
from minirmae.ops.activations import gate
from minirmae.ops.convolution import image_form
from minirmae.validation import cotangent_check, require_float, require_shape


def conv2d(
    x: Array,
    W: Array,
    b: Array | None = None,
    *,
    stride: int | Pair = 1,
    padding: int | Pair = 0,
    relu: bool = False,
) -> tuple[Array, Callable[..., tuple[Array, ...]]]:
    """Convolution (cross-correlation) of images with a kernel, plus a bias per channel.

    Args:
        x: images, shape (N, H, W, C).
        W: kernel, shape (KH, KW, C, O).
        b: bias, shape (O,), or None.
        stride: step between windows in pixels, one number or (height, width).
        padding: zeros added on each side, one number or (height, width).
        relu: whether `ops.relu` follows, at less than its cost.

    Returns:
        y, shape (N, OH, OW, O) with `OH = floor((H + 2 PH - KH) / SH) + 1`, and
        `backward(dy, out=None, *, input_gradient=True) -> (dx, dW, db)`, or `(dx, dW)` without a bias;
        `dW` is written into the contiguous `out` if that is given, and `dx` is None without `input_gradient`.

    Raises:
        TypeError: dtypes differ or are not floating.
        ValueError: shapes, stride or padding do not fit.

    `<dy, y>` is the trilinear form T(x, W, dy) of `minirmae.engines.cpu.form`,
    so `dx` and `dW` are its partial derivatives; the bias enters every pixel
    once, so `db` sums `dy` over images and pixels.

    >>> import numpy as np
    >>> y, backward = conv2d(np.ones((1, 4, 4, 1)), np.ones((3, 3, 1, 1)), padding=1)
    >>> y[0, :, :, 0]
    array([[4., 6., 6., 4.],
           [6., 9., 9., 6.],
           [6., 9., 9., 6.],
           [4., 6., 6., 4.]])
    """
    form = image_form("conv2d", x, W, stride, padding)
    if b is not None:
        require_float("conv2d", x=x, b=b)
        require_shape("conv2d", "b", b, (W.shape[3],))
    y = form.dy(x, W, b, relu)
    check, value = cotangent_check("conv2d backward", y), y if relu else None

    def backward(dy: Array, out: Array | None = None, *, input_gradient: bool = True) -> tuple[Any, ...]:
        check(dy)
        if value is not None:
            dy = gate(dy, value)
        db = () if b is None else (channel_sum(dy),)
        dx, dW = form.dx(dy, W) if input_gradient else None, form.dW(x, dy, out)
        return dx, dW, *db

    return y, backward
