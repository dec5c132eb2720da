"""Activations with flat regions, and how far an entry is from the nearest one.

The complementary function of an activation f is the distance from x to the set
where f is flat,

    f_c(x) = min |x - s|  over s with f'(s) = 0

(Goroshin and LeCun 2013). All of these are piecewise linear, `y = a x + c` with
`a` and `c` constant around x, so `dx = a dy`; at a kink `a` is that of the flat side.

| activation | f(x) | flat | f_c(x) |
|---|---|---|---|
| relu | max(x, 0) | x <= 0 | max(x, 0) |
| saturated-linear | x cut off at -1 and 1 | abs(x) >= 1 | max(1 - abs(x), 0) |
| shrink | x moved towards 0 by the threshold t | abs(x) <= t | max(abs(x) - t, 0) |
"""

from __future__ import annotations

from minirmae.arrays import Array, array_module
from minirmae.ops import relu
from minirmae.ops.entrywise import ArrayBackward
from minirmae.validation import require_choice, require_cotangent, require_float

ACTIVATIONS = ("relu", "saturated-linear", "shrink")


def saturated_linear(x: Array) -> tuple[Array, ArrayBackward]:
    """`x` between -1 and 1, and the nearer of the two elsewhere.

    Raises TypeError if `x` is not floating.

    >>> import numpy as np
    >>> y, backward = saturated_linear(np.array([-3.0, 0.5, 2.0]))
    >>> y, backward(np.ones(3))
    (array([-1. ,  0.5,  1. ]), array([0., 1., 0.]))
    """
    require_float("saturated_linear", x=x)
    inside = abs(x.real) < 1
    return _piecewise("saturated_linear", x, inside, ~inside * array_module(x).sign(x.real))


def shrink(x: Array, threshold: float = 1.0) -> tuple[Array, ArrayBackward]:
    """Soft threshold: `x` moved towards 0 by `threshold`, and 0 within it.

    Raises TypeError if `x` is not floating.

    >>> import numpy as np
    >>> y, backward = shrink(np.array([-3.0, 0.5, 2.0]))
    >>> y, backward(np.ones(3))
    (array([-2.,  0.,  1.]), array([1., 0., 1.]))
    """
    require_float("shrink", x=x)
    side = _side(x, threshold)
    return _piecewise("shrink", x, side != 0, -threshold * side)


def activate(x: Array, activation: str, threshold: float = 1.0) -> tuple[Array, ArrayBackward]:
    """The activation of that name, one of `ACTIVATIONS`; `threshold` is that of shrink.

    Raises TypeError if `x` is not floating, ValueError for an unknown name.
    """
    require_choice("activate", "activation", activation, ACTIVATIONS)
    if activation == "relu":
        return relu(x)
    return saturated_linear(x) if activation == "saturated-linear" else shrink(x, threshold)


def complement(x: Array, activation: str, threshold: float = 1.0) -> tuple[Array, ArrayBackward]:
    """The complementary function of an activation, entry by entry; arguments and errors are those of `activate`.

    >>> import numpy as np
    >>> x = np.array([-3.0, 0.5, 2.0])
    >>> {name: complement(x, name)[0].tolist() for name in ACTIVATIONS}
    {'relu': [0.0, 0.5, 2.0], 'saturated-linear': [0.0, 0.5, 0.0], 'shrink': [2.0, 0.0, 1.0]}
    """
    require_choice("complement", "activation", activation, ACTIVATIONS)
    require_float("complement", x=x)
    if activation == "relu":
        return relu(x)
    if activation == "shrink":
        side = _side(x, threshold)
        return _piecewise("complement", x, side, -threshold * (side != 0))
    inside = abs(x.real) < 1
    return _piecewise("complement", x, -(inside * array_module(x).sign(x.real)), inside)


def _side(x: Array, threshold: float) -> Array:
    """1 above the threshold, -1 below minus the threshold, 0 between."""
    return array_module(x).sign(x.real) * (abs(x.real) > threshold)


def _piecewise(where: str, x: Array, slope: Array, offset: Array) -> tuple[Array, ArrayBackward]:
    """`y = slope x + offset`, and its backward."""
    slope, offset = slope.astype(x.real.dtype), offset.astype(x.real.dtype)
    y = slope * x + offset

    def backward(dy: Array) -> Array:
        require_cotangent(f"{where} backward", dy, y)
        return dy * slope

    return y, backward
