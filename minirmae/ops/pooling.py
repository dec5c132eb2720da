"""Pooling, tap by tap as convolution: every window of images x (N, H, W, C) becomes one pixel, each channel by itself.

Kernel and stride, by default the kernel, are pixels, one number or (height, width); y is (N, OH, OW, C), of the size of
a convolution's output. Raise TypeError if `x` is not floating, ValueError if its shape, kernel or stride do not fit.
"""

from collections.abc import Callable, Iterator

from minirmae.arrays import Array, array_module
from minirmae.ops.convolution import Pixels, output_size, pair, taps
from minirmae.validation import require_cotangent, require_float, require_ndim

Position = tuple[slice, ...]
Backward = Callable[[Array], Array]


def avg_pool2d(x: Array, kernel: Pixels, stride: Pixels | None = None) -> tuple[Array, Backward]:
    """Mean of each window: the subsampling of LeCun et al. 1998 without its trained scale and bias.

    A pixel of a window has the weight 1 / (KH KW), so it gets `dy / (KH KW)` from every window that it is in.
    """
    pixels = list(window_pixels("avg_pool2d", x, kernel, stride))
    weight = 1 / len(pixels)
    y: Array = sum((x[at] for at in pixels[1:]), start=x[pixels[0]]) * weight

    def backward(dy: Array) -> Array:
        require_cotangent("avg_pool2d backward", dy, y)
        dx: Array = array_module(x).zeros_like(x)
        for at in pixels:
            dx[at] += dy * weight
        return dx

    return y, backward


def max_pool2d(x: Array, kernel: Pixels, stride: Pixels | None = None) -> tuple[Array, Backward]:
    """Largest entry of each window; complex numbers are compared by their real parts, and a NaN gives NaN.

    The gradient goes to the entry that was taken; of several equal ones to the first in row-major order.
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


def window_pixels(where: str, x: Array, kernel: Pixels, stride: Pixels | None) -> Iterator[Position]:
    """Check the arguments and yield, for each tap of a window, the pixels of images x that it meets."""
    require_ndim(where, "x", x, 4, "(N, H, W, C)")
    require_float(where, x=x)
    kernel = pair(where, "kernel", kernel, 1)
    stride = kernel if stride is None else pair(where, "stride", stride, 1)
    size = output_size((x.shape[1], x.shape[2]), kernel, stride, (0, 0))
    yield from (at for _, _, at in taps(kernel, stride, size))


def taken_entries(x: Array, y: Array, pixels: list[Position]) -> Iterator[tuple[Position, Array]]:
    """Yield the pixels of each tap with a mask of those that y, the largest entries, took: the first of the largest."""
    open_windows = array_module(x).ones(y.shape, dtype=bool)
    for at in pixels:
        taken = open_windows & (x[at].real == y.real)
        open_windows &= ~taken
        yield at, taken
