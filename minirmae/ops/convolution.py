"""Convolution of images and its adjoint: each tap (k, l) of the kernel meets the pixels `at` of the padded image, one
per output, and contributes one product with the matrix W[k, l].

T(x, W, y) = <conv2d(x, W), y> is linear in each of its arguments. The forward map, the input gradient and the weight
gradient are its three derivatives; the transposed convolution is the same form read backwards.
"""

from collections.abc import Callable, Iterator
from typing import Any

from minirmae.arrays import Array, array_module
from minirmae.validation import require_cotangent, require_float, require_int, require_ndim, require_shape

Pair = tuple[int, int]
Pixels = int | Pair
Backward = Callable[[Array], tuple[Array, ...]]


def conv2d(
    x: Array, W: Array, b: Array | None = None, *, stride: Pixels = 1, padding: Pixels = 0
) -> tuple[Array, Backward]:
    """Convolution y[n,i,j] = b + sum_kl x[n, i SH + k - PH, j SW + l - PW] W[k,l], without flipping the kernel.

    x is (N, H, W, C), W (KH, KW, C, O), b (O,) or None; stride and padding are pixels, one number or (height, width).
    Returns y (N, OH, OW, O), of `output_size`, and `backward(dy) -> (dx, dW, db)`, or `(dx, dW)` without a bias.
    Raises TypeError if dtypes differ or are not floating, ValueError if shapes, stride or padding do not fit.

    x appears in the term of tap (k, l) through the pixels `at`, so

        dx[at] += dy W[k,l]',    dW[k,l] = x[at]' dy,    db = sum dy.
    """
    stride, padding = pair("conv2d", "stride", stride, 1), pair("conv2d", "padding", padding, 0)
    require_images("conv2d", x, W, b, channels=2)
    xp, (N, H, width, C), (KH, KW, _, O), (PH, PW) = array_module(x), x.shape, W.shape, padding
    size = output_size((H, width), (KH, KW), stride, padding)
    inside = slice(None), slice(PH, PH + H), slice(PW, PW + width)
    padded = xp.zeros((N, H + 2 * PH, width + 2 * PW, C), x.dtype)
    padded[inside] = x
    y = xp.zeros((N, *size, O), x.dtype)
    for k, l, at in taps((KH, KW), stride, size):
        y += padded[at] @ W[k, l]
    if b is not None:
        y += b

    def backward(dy: Array) -> tuple[Array, ...]:
        require_cotangent("conv2d backward", dy, y)
        dpadded, dW = xp.zeros_like(padded), xp.zeros_like(W)
        for k, l, at in taps((KH, KW), stride, size):
            dpadded[at] += dy @ W[k, l].T
            dW[k, l] = padded[at].reshape(-1, C).T @ dy.reshape(-1, O)
        dx = dpadded[inside].copy()
        return (dx, dW) if b is None else (dx, dW, dy.sum(axis=(0, 1, 2)))

    return y, backward


def conv_transpose2d(
    x: Array, W: Array, b: Array | None = None, *, stride: Pixels = 1, padding: Pixels = 0, output_padding: Pixels = 0
) -> tuple[Array, Backward]:
    """The adjoint of `conv2d`: each pixel of x adds W[k,l] x to the pixels `at` of y, of which `padding` is cut off.

    x is (N, H, W, C), W (KH, KW, O, C), the kernel of the convolution from y to x, b (O,) or None; `output_padding`,
    less than the stride, adds pixels at the bottom and right, as that convolution takes several sizes of y to one of x.
    Returns y (N, OH, OW, O), of `transposed_output_size`, and the backward as that of `conv2d`; raises the same errors.

        dx = sum_kl dy[at] W[k,l],    dW[k,l] = dy[at]' x,    db = sum dy.
    """
    stride, padding = pair("conv_transpose2d", "stride", stride, 1), pair("conv_transpose2d", "padding", padding, 0)
    require_images("conv_transpose2d", x, W, b, channels=3)
    xp, (N, OH, OW, C), (KH, KW, O, _), (PH, PW) = array_module(x), x.shape, W.shape, padding
    H, width = transposed_output_size((OH, OW), (KH, KW), stride, padding, output_padding)
    inside = slice(None), slice(PH, PH + H), slice(PW, PW + width)
    padded = xp.zeros((N, H + 2 * PH, width + 2 * PW, O), x.dtype)
    for k, l, at in taps((KH, KW), stride, (OH, OW)):
        padded[at] += x @ W[k, l].T
    y = padded[inside].copy()
    if b is not None:
        y += b

    def backward(dy: Array) -> tuple[Array, ...]:
        require_cotangent("conv_transpose2d backward", dy, y)
        dpadded, dx, dW = xp.zeros_like(padded), xp.zeros_like(x), xp.zeros_like(W)
        dpadded[inside] = dy
        for k, l, at in taps((KH, KW), stride, (OH, OW)):
            dx += dpadded[at] @ W[k, l]
            dW[k, l] = dpadded[at].reshape(-1, O).T @ x.reshape(-1, C)
        return (dx, dW) if b is None else (dx, dW, dy.sum(axis=(0, 1, 2)))

    return y, backward


def taps(kernel: Pair, stride: Pair, size: Pair) -> Iterator[tuple[int, int, tuple[slice, ...]]]:
    """For each tap (k, l) of a kernel the pixels that it meets in a padded image, one for each of `size` outputs."""
    for k in range(kernel[0]):
        for l in range(kernel[1]):
            ends = k + stride[0] * (size[0] - 1) + 1, l + stride[1] * (size[1] - 1) + 1
            yield k, l, (slice(None), slice(k, ends[0], stride[0]), slice(l, ends[1], stride[1]))


def output_size(size: Pair, kernel: Pair, stride: Pair, padding: Pair) -> Pair:
    """Height and width of a convolution's output, `floor((H + 2 P - K) / S) + 1`; ValueError if there is none."""
    OH, OW = ((n + 2 * p - k) // s + 1 for n, k, s, p in zip(size, kernel, stride, padding, strict=True))
    if min(OH, OW) < 1:
        what = f"the kernel {kernel} is larger than the input {size} with padding {padding}"
        raise ValueError(f"convolution: {what}; use a smaller kernel or more padding")
    return OH, OW


def transposed_output_size(size: Pair, kernel: Pair, stride: Pair, padding: Pair, output_padding: Pixels) -> Pair:
    """Height and width of a transposed convolution's output, `(H - 1) S - 2 P + K + output_padding`, or ValueError."""
    extra = pair("conv_transpose2d", "output_padding", output_padding, 0)
    if extra[0] >= stride[0] or extra[1] >= stride[1]:
        raise ValueError(f"conv_transpose2d: output_padding {extra} must be less than the stride {stride}")
    H, W = ((n - 1) * s - 2 * p + k + e for n, k, s, p, e in zip(size, kernel, stride, padding, extra, strict=True))
    if min(H, W) < 1:
        what = f"an input {size} with kernel {kernel}, stride {stride} and padding {padding}"
        raise ValueError(f"conv_transpose2d: nothing is left of {what}; use less padding")
    return H, W


def pair(where: str, name: str, value: Any, minimum: int) -> Pair:
    """Return `value` as (height, width), one integer for both; ValueError unless they are integers >= `minimum`."""
    try:
        height, width = value if isinstance(value, tuple | list) else (value, value)
        return require_int(where, name, height, minimum), require_int(where, name, width, minimum)
    except ValueError:
        what = f"an integer of at least {minimum} or a pair (height, width)"
        raise ValueError(f"{where}: {name} must be {what}; got {value!r}") from None


def require_images(where: str, x: Array, W: Array, b: Array | None, channels: int) -> None:
    """Raise unless images x, a kernel W whose axis `channels` meets those of x, and a bias b or None fit together."""
    require_ndim(where, "x", x, 4, "(N, H, W, C)")
    require_ndim(where, "W", W, 4, "(KH, KW, C_in, C_out)")
    require_float(where, x=x, W=W, b=b)
    if x.shape[3] != W.shape[channels] or min(W.shape) < 1:
        raise ValueError(f"{where}: x has {x.shape[3]} channels but the kernel {W.shape} takes {W.shape[channels]}")
    if b is not None:
        require_shape(where, "b", b, (W.shape[5 - channels],))
