"""Pooling: every window of an image becomes one pixel, each channel by itself.

Both ops go through the KH KW taps of a window, as convolution does: the pixels at one tap of all windows are one
strided view of the image, so a gradient is added to it as a whole, however much the windows overlap. Images are x
(N, H, W, C); kernel and stride, by default the kernel, are pixels for both axes or (height, width); the value is y
(N, OH, OW, C) with OH = floor((H - KH) / SH) + 1. Pixels that no window reaches have gradient 0. Both ops raise
TypeError if `x` is not floating, ValueError if its shape, kernel or stride do not fit.
"""

from collections.abc import Callable, Iterator

from minirmae.arrays import Array, array_module
from minirmae.ops.convolution import Pair, output_size, pair, taps
from minirmae.validation import require_cotangent, require_float, require_ndim

Pixels = tuple[slice, ...]


def avg_pool2d(
    x: Array, kernel: int | Pair, stride: int | Pair | None = None
) -> tuple[Array, Callable[[Array], Array]]:
    """Mean of each window: the subsampling of LeCun et al. 1998 without its trained scale and bias.

    A pixel of a window has the weight 1 / (KH KW), so it gets `dy / (KH KW)` from every window that it is in.
    """
    pixels = list(window_pixels("avg_pool2d", x, kernel, stride))
    weight = 1 / len(pixels)
    y: Array = x[pixels[0]] * weight
    for at in pixels[1:]:
        y += x[at] * weight

    def backward(dy: Array) -> Array:
        require_cotangent("avg_pool2d backward", dy, y)
        dx: Array = array_module(x).zeros_like(x)
        for at in pixels:
            dx[at] += dy * weight
        return dx

    return y, backward


def max_pool2d(
    x: Array, kernel: int | Pair, stride: int | Pair | None = None
) -> tuple[Array, Callable[[Array], Array]]:
    """Largest entry of each window; complex numbers are compared by their real parts, and a NaN gives NaN.

    The gradient goes to the entry that was taken; of several equal ones to the first in row-major order.

    >>> import numpy as np
    >>> y, backward = max_pool2d(np.array([[1.0, 6.0], [6.0, 2.0]]).reshape(1, 2, 2, 1), 2)
    >>> y.ravel(), backward(np.ones((1, 1, 1, 1))).ravel()
    (array([6.]), array([0., 1., 0., 0.]))
    """
    xp, pixels = array_module(x), list(window_pixels("max_pool2d", x, kernel, stride))
    y: Array = x[pixels[0]].copy()
    for at in pixels[1:]:
        y = xp.where((x[at].real > y.real) | xp.isnan(x[at]), x[at], y)

    def backward(dy: Array) -> Array:
        require_cotangent("max_pool2d backward", dy, y)
        dx: Array = xp.zeros_like(x)
        for at, taken in taken_entries(x, y, pixels):
            dx[at] += dy * taken
        return dx

    return y, backward


def window_pixels(where: str, x: Array, kernel: int | Pair, stride: int | Pair | None) -> Iterator[Pixels]:
    """Check the arguments and yield, for each tap of a window, the pixels of images x that it meets."""
    require_ndim(where, "x", x, 4, "(N, H, W, C)")
    require_float(where, x=x)
    kernel = pair(where, "kernel", kernel, 1)
    stride = kernel if stride is None else pair(where, "stride", stride, 1)
    for _, _, at in taps(kernel, stride, output_size((x.shape[1], x.shape[2]), kernel, stride, (0, 0))):
        yield at


def taken_entries(x: Array, y: Array, pixels: list[Pixels]) -> Iterator[tuple[Pixels, Array]]:
    """Yield the pixels of each tap with a mask of those that y, the largest entries, took: the first of the largest."""
    open_windows = array_module(x).ones(y.shape, dtype=bool)
    for at in pixels:
        taken = open_windows & (x[at].real == y.real)
        open_windows &= ~taken
        yield at, taken
