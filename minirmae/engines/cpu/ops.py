"""The fused ops of the CPU engine: those of `minirmae.ops` with weights, faster, and with what a training step saves.

Values and gradients are those of the reference up to rounding. `relu` lets a rectifier follow while the values are in
the cache; `backward(dy, out=array)` writes the gradient of W into `out`, the contiguous memory where it belongs, and
`input_gradient=False` leaves out `dx`, which nobody asks for where the input is data.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minirmae.arrays import Array, array_module
from minirmae.engines.cpu.form import Form
from minirmae.engines.cpu.products import product
from minirmae.engines.cpu.rectifier import GatedCotangent, channel_sum, gate, rectify
from minirmae.engines.cpu.winograd import Winograd, fits
from minirmae.ops.convolution import Pair, Pixels, output_size, pair, require_images, transposed_output_size
from minirmae.validation import require_float, require_ndim, require_shape

Backward = Callable[..., tuple[Any, ...]]


def conv2d(
    x: Array,
    W: Array,
    b: Array | None = None,
    *,
    stride: Pixels = 1,
    padding: Pixels = 0,
    relu: bool = False,
) -> tuple[Array, Backward]:
    """`ops.conv2d`, by windows or by nine products; arguments, shapes and errors are those of the reference."""
    stride, padding = pair("conv2d", "stride", stride, 1), pair("conv2d", "padding", padding, 0)
    require_images("conv2d", x, W, b, channels=2)
    form = make_form(len(x), (x.shape[1], x.shape[2]), W.shape, stride, padding)
    y = form.forward(x, W, b, relu)
    check, value = _cotangent_check("conv2d backward", y, W), y if relu else None

    def backward(dy: Array, out: Array | None = None, *, input_gradient: bool = True) -> tuple[Any, ...]:
        check(dy, out)
        if value is not None:
            dy = gate(dy, value)
        db = () if b is None else (channel_sum(dy),)
        dx, dW = form.input_gradient(dy, W) if input_gradient else None, form.weight_gradient(x, dy, out)
        return dx, dW, *db

    return y, backward


def conv_transpose2d(
    x: Array,
    W: Array,
    b: Array | None = None,
    *,
    stride: Pixels = 1,
    padding: Pixels = 0,
    output_padding: Pixels = 0,
    relu: bool = False,
) -> tuple[Array, Backward]:
    """`ops.conv_transpose2d`: the same form, whose large image now is the result; arguments are the reference's."""
    where = "conv_transpose2d"
    stride, padding = pair(where, "stride", stride, 1), pair(where, "padding", padding, 0)
    require_images(where, x, W, b, channels=3)
    size = transposed_output_size((x.shape[1], x.shape[2]), W.shape[:2], stride, padding, output_padding)
    form = make_form(len(x), size, W.shape, stride, padding)
    y = form.input_gradient(x, W, b, relu)
    check, value = _cotangent_check(f"{where} backward", y, W), y if relu else None

    def backward(dy: Any, out: Array | None = None, *, input_gradient: bool = True) -> tuple[Any, ...]:
        check(dy, out)
        if value is not None:
            # On a GPU one pass is one kernel; a CPU works on what its cache holds.
            dy = GatedCotangent(dy, value) if array_module(dy) is np else gate(dy, value)
        if input_gradient:
            dx, dW = form.forward_and_weight_gradient(dy, W, x, out)
        else:
            dx, dW = None, form.weight_gradient(dy, x, out)
        return (
            (dx, dW) if b is None else (dx, dW, dy.channel_sum if isinstance(dy, GatedCotangent) else channel_sum(dy))
        )

    return y, backward


def linear(x: Array, W: Array, b: Array | None = None, *, relu: bool = False) -> tuple[Array, Backward]:
    """`ops.linear`, with products in pieces that BLAS multiplies where they lie."""
    require_ndim("linear", "x", x, 2, "(batch, inputs)")
    require_ndim("linear", "W", W, 2, "(inputs, outputs)")
    if x.shape[1] != W.shape[0]:
        raise ValueError(f"linear: x has {x.shape[1]} inputs but W {W.shape} takes {W.shape[0]}")
    require_float("linear", x=x, W=W, b=b)
    if b is not None:
        require_shape("linear", "b", b, (W.shape[1],))
    y = product(x, W)
    if b is not None:
        y += b
    if relu:
        rectify(y, out=y)
    check, value = _cotangent_check("linear backward", y, W), y if relu else None

    def backward(dy: Array, out: Array | None = None, *, input_gradient: bool = True) -> tuple[Any, ...]:
        check(dy, out)
        if value is not None:
            dy = gate(dy, value)
        # The transposed product reads wide weights in the order in which they lie.
        dx = (W @ dy.T).T if input_gradient else None
        dW = product(x.T, dy, out)
        return (dx, dW) if b is None else (dx, dW, dy.sum(axis=0))

    return y, backward


def linear_stack(x: Array, W: Array) -> tuple[Array, Backward]:
    """`ops.linear_stack`, whose weight gradients are written where they belong."""
    require_ndim("linear_stack", "x", x, 2, "(batch, n)")
    require_ndim("linear_stack", "W", W, 3, "(layers, n, n)")
    require_float("linear_stack", x=x, W=W)
    if W.shape[1:] != (x.shape[1], x.shape[1]):
        raise ValueError(f"linear_stack: x {x.shape} needs W (layers, {x.shape[1]}, {x.shape[1]}), got {W.shape}")
    inputs = [x]
    for i in range(len(W)):
        inputs.append(inputs[-1] @ W[i])
    y = inputs.pop()
    if y is x:
        y = x.copy()
    check = _cotangent_check("linear_stack backward", y, W)

    def backward(dy: Array, out: Array | None = None, *, input_gradient: bool = True) -> tuple[Any, Array]:
        check(dy, out)
        xp = array_module(W)
        dx, dW = dy.copy(), xp.empty(W.shape, W.dtype) if out is None else out
        for i in reversed(range(len(W))):
            xp.matmul(inputs[i].T, dx, out=dW[i])
            if i or input_gradient:
                # The transposed product reads the factor in the order in which it lies.
                dx = (W[i] @ dx.T).T
        return (dx if input_gradient else None), dW

    return y, backward


def make_form(images: int, size: Pair, kernel: tuple[int, ...], stride: Pair, padding: Pair) -> Form:
    """Return the trilinear form of a convolution of `images` of `size` with a kernel of that shape, the fastest way."""
    KH, KW, channels, outputs = kernel
    output_size(size, (KH, KW), stride, padding)
    way = Winograd if fits(images, size, channels, (KH, KW), outputs, stride, padding) else Form
    return way(size, channels, (KH, KW), outputs, stride, padding)


def _cotangent_check(where: str, y: Array, W: Array) -> Callable[[Array, Array | None], None]:
    """Return a function that checks dy against y, and `out` against W, and does not keep the memory of y."""
    shape, alike = y.shape, array_module(y).empty(0, y.dtype)

    def check(dy: Array, out: Array | None) -> None:
        require_float(where, y=alike, dy=dy)
        require_shape(where, "dy", dy, shape)
        if out is not None and (out.shape != W.shape or out.dtype != W.dtype or not out.flags.c_contiguous):
            raise ValueError(f"{where}: out must be contiguous, of shape {W.shape} and dtype {W.dtype}")

    return check
