"""The trilinear form behind convolution, and its three partial derivatives.

    T(x, W, y) = sum x[n, i SH + k - PH, j SW + l - PW, c] W[k, l, c, o] y[n, i, j, o]

is linear in each argument, so it has exactly three partial derivatives, each a
map that is linear in the two arguments that remain:

    correlate     dT/dy   the convolution itself,
    correlate_dx  dT/dx   its input gradient, which is also transposed convolution,
    correlate_dW  dT/dW   its weight gradient.

Everything that convolves is one of these three. They are computed on a matrix
of patches (Chellapilla, Puri, Simard 2006), whose rows hold the KH x KW x C
window under one output pixel: `y = patches(x) W`, hence `dW = patches(x)' y`
and `dx = fold(y W')`, where `fold`, the adjoint of `patches`, adds every
window back to where it was read.
"""

from __future__ import annotations

from minirmae.backend import Array, array_module
from minirmae.validation import require_float, require_ndim

Pair = tuple[int, int]


def pair(where: str, name: str, value: int | Pair, minimum: int) -> Pair:
    """Return `value` as (height, width); an integer counts for both.

    Raises:
        ValueError: not an integer or a pair of integers of at least `minimum`.
    """
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2 or any(not isinstance(v, int) or isinstance(v, bool) or v < minimum for v in pair):
        raise ValueError(
            f"{where}: {name} must be an integer of at least {minimum} or a pair (height, width); came {value!r}"
        )
    return pair[0], pair[1]


def output_size(size: Pair, kernel: Pair, stride: Pair, padding: Pair) -> Pair:
    """Height and width of a convolution's output: `floor((H + 2 P - K) / S) + 1`.

    Raises:
        ValueError: the kernel does not fit into the padded input.

    >>> output_size((32, 32), kernel=(4, 4), stride=(2, 2), padding=(1, 1))
    (16, 16)
    """
    out = tuple((n + 2 * p - k) // s + 1 for n, k, s, p in zip(size, kernel, stride, padding, strict=True))
    if min(out) < 1:
        raise ValueError(
            f"convolution: the kernel {kernel} is larger than the input {size} with padding {padding}; "
            "use a smaller kernel or more padding"
        )
    return out[0], out[1]


def patches(x: Array, kernel: Pair, stride: Pair, padding: Pair) -> Array:
    """Windows of `x` (N, H, W, C) under each output pixel, shape (N * OH * OW, KH * KW * C)."""
    N, H, W, C = x.shape
    (KH, KW), (SH, SW), (PH, PW) = kernel, stride, padding
    OH, OW = output_size((H, W), kernel, stride, padding)
    xp = array_module(x)
    if PH or PW:
        padded = xp.zeros((N, H + 2 * PH, W + 2 * PW, C), dtype=x.dtype)
        padded[:, PH : PH + H, PW : PW + W] = x
        x = padded
    n, h, w, c = x.strides
    windows = xp.lib.stride_tricks.as_strided(x, shape=(N, OH, OW, KH, KW, C), strides=(n, h * SH, w * SW, h, w, c))
    return windows.reshape(N * OH * OW, KH * KW * C)


def fold(windows: Array, shape: tuple[int, int, int, int], kernel: Pair, stride: Pair, padding: Pair) -> Array:
    """Adjoint of `patches`: add every window back into an array of `shape` (N, H, W, C)."""
    N, H, W, C = shape
    (KH, KW), (SH, SW), (PH, PW) = kernel, stride, padding
    OH, OW = output_size((H, W), kernel, stride, padding)
    windows = windows.reshape(N, OH, OW, KH, KW, C)
    padded = array_module(windows).zeros((N, H + 2 * PH, W + 2 * PW, C), dtype=windows.dtype)
    for k in range(KH):
        for l in range(KW):
            padded[:, k : k + SH * OH : SH, l : l + SW * OW : SW] += windows[:, :, :, k, l]
    return padded[:, PH : PH + H, PW : PW + W] if PH or PW else padded


def correlate(x: Array, W: Array, stride: int | Pair = 1, padding: int | Pair = 0) -> Array:
    """Convolution without kernel flip, as in every network.

    Args:
        x: images, shape (N, H, W, C).
        W: kernel, shape (KH, KW, C, O).
        stride: step between windows in pixels, one number or (height, width).
        padding: zeros added on each side, one number or (height, width).

    Returns:
        shape (N, OH, OW, O), with OH and OW from `output_size`.

    Raises:
        TypeError: dtypes differ or are not floating.
        ValueError: shapes, stride or padding do not fit.
    """
    stride, padding = _geometry(x, W, stride, padding)
    KH, KW, C, O = W.shape
    if x.shape[3] != C:
        raise ValueError(f"convolution: x has {x.shape[3]} channels but the kernel {W.shape} takes {C}")
    OH, OW = output_size(x.shape[1:3], (KH, KW), stride, padding)
    y = patches(x, (KH, KW), stride, padding) @ W.reshape(KH * KW * C, O)
    return y.reshape(x.shape[0], OH, OW, O)


def correlate_dx(y: Array, W: Array, input_size: Pair, stride: int | Pair = 1, padding: int | Pair = 0) -> Array:
    """Derivative of the trilinear form in x: the input gradient of `correlate`.

    Args:
        y: cotangent of the convolution's output, shape (N, OH, OW, O).
        W: kernel, shape (KH, KW, C, O).
        input_size: (H, W) of the convolution's input; more than one size can give the same OH, OW.
        stride, padding: as in `correlate`.

    Returns:
        shape (N, H, W, C).

    Raises:
        TypeError: dtypes differ or are not floating.
        ValueError: shapes, stride or padding do not fit.
    """
    stride, padding = _geometry(y, W, stride, padding)
    KH, KW, C, O = W.shape
    _require_output(y, input_size, (KH, KW), stride, padding, O)
    windows = y.reshape(-1, O) @ W.reshape(KH * KW * C, O).T
    return fold(windows, (y.shape[0], *input_size, C), (KH, KW), stride, padding)


def correlate_dW(x: Array, y: Array, kernel_size: Pair, stride: int | Pair = 1, padding: int | Pair = 0) -> Array:
    """Derivative of the trilinear form in W: the weight gradient of `correlate`.

    Args:
        x: images, shape (N, H, W, C).
        y: cotangent of the convolution's output, shape (N, OH, OW, O).
        kernel_size: (KH, KW).
        stride, padding: as in `correlate`.

    Returns:
        shape (KH, KW, C, O).

    Raises:
        TypeError: dtypes differ or are not floating.
        ValueError: shapes, stride or padding do not fit.
    """
    stride, padding = _geometry(x, y, stride, padding)
    O = y.shape[3]
    _require_output(y, x.shape[1:3], kernel_size, stride, padding, O)
    if x.shape[0] != y.shape[0]:
        raise ValueError(f"convolution: x holds {x.shape[0]} images but the cotangent {y.shape[0]}")
    dW = patches(x, kernel_size, stride, padding).T @ y.reshape(-1, O)
    return dW.reshape(*kernel_size, x.shape[3], O)


def _geometry(images: Array, other: Array, stride: int | Pair, padding: int | Pair) -> tuple[Pair, Pair]:
    """Check the two arrays' ranks and dtypes; return stride and padding as pairs."""
    require_ndim("convolution", "the image array", images, 4, "(N, H, W, C)")
    require_ndim("convolution", "the second array", other, 4, "(KH, KW, C_in, C_out), or (N, H, W, C) of a cotangent")
    require_float("convolution", images=images, other=other)
    return pair("convolution", "stride", stride, 1), pair("convolution", "padding", padding, 0)


def _require_output(y: Array, input_size: Pair, kernel: Pair, stride: Pair, padding: Pair, channels: int) -> None:
    """Raise unless `y` can be the output of a convolution of that geometry."""
    expected = (*output_size(input_size, kernel, stride, padding), channels)
    if y.shape[1:] != expected:
        raise ValueError(
            f"convolution: an input of {input_size} with kernel {kernel}, stride {stride} and padding {padding} "
            f"gives an output of {expected} per image, came {y.shape[1:]}"
        )
