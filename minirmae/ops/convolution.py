"""The three partial derivatives of convolution's trilinear form; everything that convolves is one of them.

    correlate     dT/dy   the convolution itself,
    correlate_dx  dT/dx   its input gradient, which is also transposed convolution,
    correlate_dW  dT/dW   its weight gradient,

for the T of `minirmae.engines.cpu.form`. The functions here check their arguments.
"""

from __future__ import annotations

from minirmae.arrays import Array
from minirmae.engines.cpu.form import Form, output_size
from minirmae.engines.cpu.patches import Pair
from minirmae.engines.cpu.winograd import Winograd, fits
from minirmae.validation import require_float, require_ndim


def pair(where: str, name: str, value: int | Pair, minimum: int) -> Pair:
    """Return `value` as (height, width); an integer counts for both.

    Raises:
        ValueError: not an integer or a pair of integers of at least `minimum`.
    """
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2 or any(not isinstance(v, int) or isinstance(v, bool) or v < minimum for v in pair):
        raise ValueError(
            f"{where}: {name} must be an integer of at least {minimum} or a pair (height, width); got {value!r}"
        )
    return pair[0], pair[1]


def make_form(
    images: int, size: Pair, channels: int, kernel: Pair, outputs: int, stride: int | Pair, padding: int | Pair
) -> Form:
    """Return the trilinear form of a geometry, in the way that is fastest for a batch of `images`.

    Raises:
        ValueError: stride or padding are not numbers or pairs in range, or the kernel does not fit.
    """
    stride, padding = pair("convolution", "stride", stride, 1), pair("convolution", "padding", padding, 0)
    output_size(size, kernel, stride, padding)
    way = Winograd if fits(images, size, channels, kernel, outputs, stride, padding) else Form
    return way(size, channels, kernel, outputs, stride, padding)


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
    form = image_form("convolution", x, W, stride, padding)
    return form.dy(x, W)


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
    form = output_form("convolution", y, W, input_size, stride, padding)
    return form.dx(y, W)


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
    require_images("convolution", x=x, y=y)
    form = make_form(len(x), x.shape[1:3], x.shape[3], kernel_size, y.shape[3], stride, padding)
    _require_output("convolution", form, y)
    if x.shape[0] != y.shape[0]:
        raise ValueError(f"convolution: x holds {x.shape[0]} images but the cotangent {y.shape[0]}")
    return form.dW(x, y)


def image_form(where: str, x: Array, W: Array, stride: int | Pair, padding: int | Pair) -> Form:
    """Check images x against a kernel W and return the form of their geometry."""
    require_images(where, x=x, W=W)
    if x.shape[3] != W.shape[2]:
        raise ValueError(f"{where}: x has {x.shape[3]} channels but the kernel {W.shape} takes {W.shape[2]}")
    return make_form(len(x), x.shape[1:3], x.shape[3], W.shape[:2], W.shape[3], stride, padding)


def output_form(where: str, y: Array, W: Array, input_size: Pair, stride: int | Pair, padding: int | Pair) -> Form:
    """Check outputs y against a kernel W and the size of the input; return the form of their geometry."""
    require_images(where, y=y, W=W)
    form = make_form(len(y), input_size, W.shape[2], W.shape[:2], W.shape[3], stride, padding)
    _require_output(where, form, y)
    return form


def require_images(where: str, **arrays: Array) -> None:
    """Raise unless all arrays have four axes and share one floating dtype."""
    for name, array in arrays.items():
        layout = "(KH, KW, C_in, C_out)" if name == "W" else "(N, H, W, C)"
        require_ndim(where, name, array, 4, layout)
    require_float(where, **arrays)


def _require_output(where: str, form: Form, y: Array) -> None:
    """Raise unless `y` can be the output of a convolution of that geometry."""
    expected = (*form.output_size, form.outputs)
    if y.shape[1:] != expected:
        raise ValueError(
            f"{where}: an input of {form.size} with kernel {form.kernel}, stride {form.stride} and padding "
            f"{form.padding} gives an output of {expected} per image, got {y.shape[1:]}"
        )
