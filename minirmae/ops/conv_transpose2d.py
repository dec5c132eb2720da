"""Two-dimensional transposed convolution: the trilinear form read backwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minirmae.arrays import Array, array_module
from minirmae.engines.cpu.form import channel_sum
from minirmae.engines.cpu.gated import Gated
from minirmae.engines.cpu.patches import Pair
from minirmae.ops.activations import gate
from minirmae.ops.convolution import output_form, pair, require_images
from minirmae.validation import cotangent_check, require_float, require_shape


def conv_transpose2d(
    x: Array,
    W: Array,
    b: Array | None = None,
    *,
    stride: int | Pair = 1,
    padding: int | Pair = 0,
    output_padding: int | Pair = 0,
    relu: bool = False,
) -> tuple[Array, Callable[..., tuple[Array, ...]]]:
    """Transposed convolution: the adjoint of `conv2d` with the same kernel, plus a bias per channel.

    Args:
        x: images, shape (N, H, W, C).
        W: kernel of the convolution whose adjoint this is, shape (KH, KW, O, C):
            that convolution takes the O channels of this op's output to the C of its input.
        b: bias, shape (O,), or None.
        stride: pixels that the window moves in the output per input pixel, one number or (height, width).
        padding: pixels cut off on each side of the output, one number or (height, width).
        output_padding: pixels added at the bottom and right, to choose among the
            output sizes that the convolution maps to the same (H, W); less than the stride.
        relu: whether `ops.relu` follows, at less than its cost.

    Returns:
        y, shape (N, OH, OW, O) with `OH = (H - 1) SH - 2 PH + KH + output_padding`, and
        `backward(dy, out=None, *, input_gradient=True) -> (dx, dW, db)`, or `(dx, dW)` without a bias;
        `dW` is written into the contiguous `out` if that is given, and `dx` is None without `input_gradient`.

    Raises:
        TypeError: dtypes differ or are not floating.
        ValueError: shapes, stride or padding do not fit.

    `<dy, y>` is the trilinear form T(dy, W, x) of `minirmae.engines.cpu.form`:
    the big image now is the result and the small one the argument. Hence the
    forward is `dT/dx` there, `dx` is `dT/dy` at (dy, W), and `dW` is the weight
    gradient with the two images swapped.

    >>> import numpy as np
    >>> y, backward = conv_transpose2d(np.ones((1, 2, 2, 1)), np.ones((2, 2, 1, 1)), stride=2)
    >>> y.shape, float(y.min()), float(y.max())
    ((1, 4, 4, 1), 1.0, 1.0)
    """
    require_images("conv_transpose2d", x=x, W=W)
    if x.shape[3] != W.shape[3]:
        raise ValueError(f"conv_transpose2d: x has {x.shape[3]} channels but the kernel {W.shape} takes {W.shape[3]}")
    size = transposed_output_size(x.shape[1:3], W.shape[:2], stride, padding, output_padding)
    form = output_form("conv_transpose2d", x, W, size, stride, padding)
    if b is not None:
        require_float("conv_transpose2d", x=x, b=b)
        require_shape("conv_transpose2d", "b", b, (W.shape[2],))
    y = form.dx(x, W, b, relu)
    check, value = cotangent_check("conv_transpose2d backward", y), y if relu else None

    def backward(dy: Any, out: Array | None = None, *, input_gradient: bool = True) -> tuple[Any, ...]:
        check(dy)
        if value is not None:
            # On a card one pass is one kernel; a processor works on what its cache holds.
            dy = Gated(dy, value) if array_module(dy) is np else gate(dy, value)
        dx, dW = form.dy_and_dW(dy, W, x, out) if input_gradient else (None, form.dW(dy, x, out))
        return (dx, dW) if b is None else (dx, dW, dy.channel_sum if isinstance(dy, Gated) else channel_sum(dy))

    return y, backward


def transposed_output_size(
    size: Pair, kernel: Pair, stride: int | Pair, padding: int | Pair, output_padding: int | Pair = 0
) -> Pair:
    """Height and width of a transposed convolution's output: `(H - 1) S - 2 P + K + output_padding`.

    Raises:
        ValueError: nothing is left after the padding is cut off, or `output_padding` is not below the stride.

    >>> transposed_output_size((8, 8), kernel=(4, 4), stride=2, padding=1)
    (16, 16)
    """
    stride = pair("conv_transpose2d", "stride", stride, 1)
    padding = pair("conv_transpose2d", "padding", padding, 0)
    extra = pair("conv_transpose2d", "output_padding", output_padding, 0)
    if extra[0] >= stride[0] or extra[1] >= stride[1]:
        raise ValueError(f"conv_transpose2d: output_padding {extra} must be less than the stride {stride}")
    H, W = ((n - 1) * s - 2 * p + k + e for n, k, s, p, e in zip(size, kernel, stride, padding, extra, strict=True))
    if min(H, W) < 1:
        raise ValueError(
            f"conv_transpose2d: nothing is left of an input {size} with kernel {kernel}, stride {stride} "
            f"and padding {padding}; use less padding"
        )
    return H, W
