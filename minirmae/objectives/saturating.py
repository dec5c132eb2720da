"""The saturating autoencoder: a penalty that draws the code to where its activation is flat.

    z = f(h),      loss = mean (x_hat - x)^2 + weight * mean_n sum_i f_c(h_ni)
    f_c(h) = min |h - s|  over s with f'(s) = 0

(Goroshin and LeCun 2013, arXiv 1301.3577.) Where f is flat the code does not
change with the image. Reconstruction needs a code that changes, so in the end it
changes along the data and nowhere else. The complementary function f_c is the
distance to the nearest flat region:

| activation | f(h) | flat | f_c(h) |
|---|---|---|---|
| relu | max(h, 0) | h <= 0 | max(h, 0) |
| saturated-linear | h clipped to -1 and 1 | abs(h) >= 1 | max(1 - abs(h), 0) |
| shrink | h moved towards 0 by the threshold t | abs(h) <= t | max(abs(h) - t, 0) |

All of these are piecewise linear, `y = a x + c` with `a` and `c` constant around x,
so `dx = a dy`; at a kink `a` is that of the flat side.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minirmae.arrays import Array, array_module
from minirmae.layers import Backward, Layer
from minirmae.models.autoencoder import Autoencoder, ModelConfig, build
from minirmae.objectives.objective import Objective, ObjectiveBackward
from minirmae.objectives.recipe import Recipe, Settings, require_setting
from minirmae.ops import mean_squared_error, relu
from minirmae.ops.entrywise import ArrayBackward
from minirmae.validation import require_choice, require_cotangent, require_float

ACTIVATIONS = ("relu", "saturated-linear", "shrink")


def saturated_linear(x: Array) -> tuple[Array, ArrayBackward]:
    """`x` clipped to the interval from -1 to 1.

    Raises TypeError if `x` is not floating.

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


class SaturatingCode(Layer):
    """The bottleneck `z = f(h)`; `activation` is one of `ACTIVATIONS`, `threshold` that of shrink."""

    def __init__(self, activation: str, threshold: float) -> None:
        super().__init__()
        self.activation, self.threshold = activation, threshold

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        return activate(x, self.activation, self.threshold)


def saturating_objective(settings: Settings) -> Objective:
    """The objective for complete settings; raises ValueError for a negative weight or threshold."""
    activation, weight, threshold = settings["activation"], settings["weight"], settings["threshold"]
    require_setting("saturating", "weight", weight, 0)
    require_setting("saturating", "threshold", threshold, 0)

    def objective(model: Autoencoder, x: Array, rng: np.random.Generator | None) -> tuple[Array, ObjectiveBackward]:
        h, encoder_backward = model.encoder(x, rng)
        z, bottleneck_backward = model.bottleneck(h, rng)
        x_hat, decoder_backward = model.decoder(z, rng)
        error, error_backward = mean_squared_error(x_hat, x)
        distance, distance_backward = complement(h, activation, threshold)
        share = weight / len(h)

        def backward() -> None:
            dh = bottleneck_backward(decoder_backward(error_backward()))
            encoder_backward(dh + distance_backward(array_module(h).full_like(h, share)))

        return error + share * distance.sum(), backward

    return objective


def saturating_model(config: ModelConfig, settings: Settings, rng: np.random.Generator, dtype: Any) -> Autoencoder:
    """The preset with a saturating code between encoder and decoder; raises ValueError if there are linear layers."""
    code = SaturatingCode(settings["activation"], settings["threshold"])
    return build(config, rng, dtype, bottleneck=lambda rng: code)


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


RECIPES = (
    Recipe(
        name="saturating",
        title="SATAE",
        statement="reconstruct the images from codes near the flat regions of their activation",
        source="Goroshin, LeCun 2013 (arXiv 1301.3577)",
        objective=saturating_objective,
        build=saturating_model,
        settings={"activation": "relu", "weight": 1e-3, "threshold": 0.01},
        choices={"activation": ACTIVATIONS},
        per_image=True,
    ),
)
