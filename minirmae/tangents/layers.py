"""The tangent pass of layers and models: derivatives along a direction, and the backward through them.

`(y, ty), backward = tangent(layer, x, tx)` moves the input of a layer in the
direction `tx` and says how its output moves, `ty = J tx`;
`backward(dy, dty) -> (dx, dtx)` adds the gradient of `<dy, y> + <dty, ty>` into
the gradients of the parameters. That is second order: `ty` is a derivative.

For a layer of your own, register its rule:

    @tangent_rule.register
    def _(layer: MyLayer, x, tx, rng=None): ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial, singledispatch
from typing import Any

import numpy as np

from minirmae.arrays import Array, array_module, asarray, device_of
from minirmae.layers import (
    AvgPool2d,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Flatten,
    Layer,
    LeakyReLU,
    Linear,
    LinearStack,
    MaxPool2d,
    ReLU,
    Reshape,
    Sequential,
    Sigmoid,
    Tanh,
)
from minirmae.models.autoencoder import Autoencoder
from minirmae.tangents import ops as tangents
from minirmae.tangents.ops import Pair, require_direction

TangentBackward = Callable[[Array, Array], Pair]
LayerTangent = tuple[Pair, TangentBackward]
Rng = np.random.Generator | None


def tangent(layer: Layer, x: Array, tx: Array, rng: Rng = None) -> LayerTangent:
    """Value of a layer and its derivative along a direction.

    Args:
        layer: a layer of `minirmae.layers`, an autoencoder, or another one with a tangent rule.
        x: a batch of inputs, shape (N, ...).
        tx: the direction for each of them, of the shape of `x`; or K directions that share the forward, (K, N, ...).
        rng: source of randomness in training; None to evaluate. Value and directions see the same noise.

    Returns:
        (y, ty), and `backward(dy, dty) -> (dx, dtx)`, which adds into the parameters' gradients.

    Raises:
        TypeError: the layer has no tangent rule, or dtypes differ.
        ValueError: shapes do not fit.

    >>> layer = Sequential(Linear(3, 2, rng=np.random.default_rng(0), dtype=np.float64), Tanh())
    >>> x, tx = np.ones((1, 3)), np.array([[1.0, 0.0, 0.0]])
    >>> (y, ty), backward = tangent(layer, x, tx)
    >>> moved, _ = layer(x + 1e-6 * tx)
    >>> bool(np.allclose((moved - y) / 1e-6, ty, atol=1e-5))
    True
    """
    require_direction("tangent", x, tx)
    kind = type(layer)
    ruled = next(base for base in kind.__mro__ if base in tangent_rule.registry)
    # A subclass with a forward of its own must not inherit the derivative of another one.
    if ruled is object or kind.__call__ is not ruled.__call__:
        raise TypeError(
            f"tangent: {kind.__name__} has no tangent rule of its own; "
            "write one with @minirmae.tangents.layers.tangent_rule.register"
        )
    found: LayerTangent = tangent_rule(layer, x, tx, rng)
    return found


def chain(layers: Iterable[Layer], x: Array, tx: Array, rng: Rng = None) -> LayerTangent:
    """Tangent pass of layers one after the other; arguments, results and errors are those of `tangent`."""
    backwards = []
    for layer in layers:
        (x, tx), layer_backward = tangent(layer, x, tx, rng)
        backwards.append(layer_backward)

    def backward(dy: Array, dty: Array) -> Pair:
        for layer_backward in reversed(backwards):
            dy, dty = layer_backward(dy, dty)
        return dy, dty

    return (x, tx), backward


@singledispatch
def tangent_rule(layer: Any, x: Array, tx: Array, rng: Rng = None) -> LayerTangent:
    """The rule by type of layer; register those of your own layers here, and call `tangent`."""
    raise NotImplementedError


_PLAIN: dict[type[Layer], Callable[..., LayerTangent]] = {
    ReLU: tangents.relu_tangent,
    LeakyReLU: tangents.leaky_relu_tangent,
    Sigmoid: tangents.sigmoid_tangent,
    Tanh: tangents.tanh_tangent,
    Reshape: tangents.reshape_tangent,
    Flatten: tangents.flatten_tangent,
    AvgPool2d: tangents.avg_pool2d_tangent,
    MaxPool2d: tangents.max_pool2d_tangent,
}
"""The tangent pass of the op of each layer without parameters."""


def _plain(op_tangent: Callable[..., LayerTangent], layer: Any, x: Array, tx: Array, rng: Rng = None) -> LayerTangent:
    return op_tangent(x, tx, *layer.options)


for _kind, _op_tangent in _PLAIN.items():
    tangent_rule.register(_kind, partial(_plain, _op_tangent))


def _affine(layer: Any, x: Array, tx: Array, rng: Rng = None) -> LayerTangent:
    # The layer's own op: an engine may have put another one in its place.
    parameters = layer.parameters.values()
    where, values = type(layer).__name__, [p.value for p in parameters]
    result, op_backward = tangents.affine_tangent(where, layer.op, x, tx, *values, **layer.options)

    def backward(dy: Array, dty: Array) -> Pair:
        dx, dtx, *gradients = op_backward(dy, dty)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad[...] += gradient
        return dx, dtx

    return result, backward


for _kind in (Linear, Conv2d, ConvTranspose2d):
    tangent_rule.register(_kind, _affine)


@tangent_rule.register
def _linear_stack(layer: LinearStack, x: Array, tx: Array, rng: Rng = None) -> LayerTangent:
    values, op_backward = tangents.affine_tangent("LinearStack", layer.op, x, tx, layer.factors())

    def backward(dy: Array, dty: Array) -> Pair:
        dx, dtx, dfactors = op_backward(dy, dty)
        layer.add_gradient(dfactors)
        return dx, dtx

    return values, backward


@tangent_rule.register
def _dropout(layer: Dropout, x: Array, tx: Array, rng: Rng = None) -> LayerTangent:
    if rng is None:
        return tangents.dropout_tangent(x, tx, array_module(x).ones(x.shape, dtype=bool), 0.0)
    keep = asarray(rng.random(x.shape) >= layer.rate, device_of(x))
    return tangents.dropout_tangent(x, tx, keep, layer.rate)


@tangent_rule.register
def _sequential(layer: Sequential, x: Array, tx: Array, rng: Rng = None) -> LayerTangent:
    if not layer.children:
        return tangents.reshape_tangent(x, tx, x.shape[1:])
    return chain(layer.children.values(), x, tx, rng)


@tangent_rule.register
def _autoencoder(layer: Autoencoder, x: Array, tx: Array, rng: Rng = None) -> LayerTangent:
    return chain((layer.encoder, layer.bottleneck, layer.decoder), x, tx, rng)
