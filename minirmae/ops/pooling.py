"""Pooling: every window of an image becomes one pixel, each channel for itself.

Both ops go through the KH KW positions of the window, not through the windows:
the entries at one position of all windows are one strided view of the image.
Its entries belong to different windows, so a gradient can be added to it as a
whole, however much the windows overlap.
"""

from __future__ import annotations

from collections.abc import Iterator

from minirmae.arrays import Array, array_module
from minirmae.engines.cpu.form import output_size
from minirmae.engines.cpu.patches import Pair
from minirmae.ops.activations import ArrayBackward
from minirmae.ops.convolution import pair, require_images
from minirmae.validation import require_cotangent

Position = tuple[slice, slice, slice]


def avg_pool2d(x: Array, kernel: int | Pair, stride: int | Pair | None = None) -> tuple[Array, ArrayBackward]:
    """Mean of each window: the subsampling of LeCun et al. 1998 without its trained scale and bias.

    Args:
        x: images, shape (N, H, W, C).
        kernel: size of a window in pixels, one number or (height, width).
        stride: step between windows; None is the kernel, so that windows do not overlap.

    Returns:
        y, shape (N, OH, OW, C) with OH = floor((H - KH) / SH) + 1, and
        `backward(dy) -> dx`. Pixels that no window reaches are left out, and
        have gradient 0.

    Raises:
        TypeError: `x` is not floating.
        ValueError: `x` has not four axes, or kernel or stride are out of range or do not fit.

    A pixel of a window has the weight `1 / (KH KW)`, so it gets `dy / (KH KW)`
    from every window that it is in.

    >>> import numpy as np
    >>> y, backward = avg_pool2d(np.array([[1.0, 2.0], [3.0, 6.0]]).reshape(1, 2, 2, 1), 2)
    >>> y.ravel(), backward(np.ones((1, 1, 1, 1))).ravel()
    (array([3.]), array([0.25, 0.25, 0.25, 0.25]))
    """
    kernel, stride, size = _geometry("avg_pool2d", x, kernel, stride)
    positions = list(_positions(kernel, stride, size))
    weight = 1 / len(positions)
    y: Array = x[positions[0]] * weight
    for position in positions[1:]:
        y += x[position] * weight

    def backward(dy: Array) -> Array:
        require_cotangent("avg_pool2d backward", dy, y)
        dx: Array = array_module(x).zeros_like(x)
        share = dy * weight
        for position in positions:
            dx[position] += share
        return dx

    return y, backward


def max_pool2d(x: Array, kernel: int | Pair, stride: int | Pair | None = None) -> tuple[Array, ArrayBackward]:
    """Largest entry of each window.

    Args, shapes and errors are those of `avg_pool2d`. The gradient goes to the
    entry that was taken; of several equal ones to the first in row-major order.
    Complex numbers are compared by their real parts. A window with a NaN gives NaN.

    >>> import numpy as np
    >>> y, backward = max_pool2d(np.array([[1.0, 6.0], [6.0, 2.0]]).reshape(1, 2, 2, 1), 2)
    >>> y.ravel(), backward(np.ones((1, 1, 1, 1))).ravel()
    (array([6.]), array([0., 1., 0., 0.]))
    """
    kernel, stride, size = _geometry("max_pool2d", x, kernel, stride)
    xp = array_module(x)
    positions = list(_positions(kernel, stride, size))
    y: Array = x[positions[0]].copy()
    for position in positions[1:]:
        # NumPy's maximum is the fastest, but orders complex numbers lexicographically.
        entry = x[position]
        y = xp.where(entry.real > y.real, entry, y) if x.dtype.kind == "c" else xp.maximum(y, entry)

    def backward(dy: Array) -> Array:
        require_cotangent("max_pool2d backward", dy, y)
        dx: Array = xp.zeros_like(x)
        for position, taken in taken_entries(x, y, kernel, stride):
            dx[position] += dy * taken
        return dx

    return y, backward


def taken_entries(x: Array, y: Array, kernel: Pair, stride: Pair) -> Iterator[tuple[Position, Array]]:
    """Yield, for each position in a window, its index and where y (N, OH, OW, C), the largest entries, took its entry.

    A window takes one entry, the first of the largest.
    """
    open_windows = array_module(x).ones(y.shape, dtype=bool)
    for position in _positions(kernel, stride, (y.shape[1], y.shape[2])):
        taken = open_windows & (x[position].real == y.real)
        open_windows &= ~taken
        yield position, taken


def pooled_size(size: Pair, kernel: Pair, stride: Pair) -> Pair:
    """Return (OH, OW) for images of `size` (H, W); ValueError if the kernel does not fit."""
    return output_size(size, kernel, stride, (0, 0))


def _geometry(where: str, x: Array, kernel: int | Pair, stride: int | Pair | None) -> tuple[Pair, Pair, Pair]:
    """Kernel and stride as pairs, and the size of the output."""
    require_images(where, x=x)
    kernel = pair(where, "kernel", kernel, 1)
    stride = kernel if stride is None else pair(where, "stride", stride, 1)
    return kernel, stride, pooled_size((x.shape[1], x.shape[2]), kernel, stride)


def _positions(kernel: Pair, stride: Pair, size: Pair) -> Iterator[Position]:
    """For each position in a window the index of those entries of an image batch, in row-major order."""
    (SH, SW), (OH, OW) = stride, size
    for k in range(kernel[0]):
        for l in range(kernel[1]):
            yield slice(None), slice(k, k + SH * (OH - 1) + 1, SH), slice(l, l + SW * (OW - 1) + 1, SW)
