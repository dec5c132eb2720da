"""A model computed by fused stages: the same layers on the same flat vector, with the same contract.

`fused(model)` copies the tree of layers without copying a parameter. Layers with weights get the engine's op in place
of the reference's. Every `Sequential` becomes a `Row`, which computes a linear map, its bias and the ReLU after it at
once, passes views where only the shape changes, and writes weight gradients where they belong.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from minirmae.arrays import Array
from minirmae.engines.cpu import ops
from minirmae.engines.cpu.gradients import add_gradient, claim
from minirmae.engines.stages import Stage, read_stages
from minirmae.layers import (
    Backward,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    Layer,
    Linear,
    LinearStack,
    ReLU,
    Reshape,
    Sequential,
)
from minirmae.models.autoencoder import Autoencoder
from minirmae.models.classifier import Classifier
from minirmae.tangents.layers import LayerTangent, chain, tangent_rule

OPS: dict[type[Layer], Callable[..., Any]] = {
    Linear: ops.linear,
    Conv2d: ops.conv2d,
    ConvTranspose2d: ops.conv_transpose2d,
    LinearStack: ops.linear_stack,
}
"""The engine's op of each layer with weights; types are compared exactly, subclasses stay as they are."""

_BEGINS_WITH_FIRST_CHILD = (Sequential, Autoencoder, Classifier)


class DataGradient:
    """What the backward of a model returns in training, where nobody asks for the gradient of the data.

    Any use of it is an error.
    """

    def _refuse(self, *args: Any, **options: Any) -> Any:
        raise TypeError(
            "the training step does not compute the gradient of the images; an objective that needs it "
            'trains with engine="reference"'
        )

    __array__ = __array_ufunc__ = __getattr__ = __getitem__ = __len__ = __iter__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __neg__ = __matmul__ = _refuse


class Row(Sequential):
    """Layers one after the other, in fused stages; see `Sequential`."""

    def __init__(self, sequential: Sequential, input_gradient: bool) -> None:
        self.__dict__.update(sequential.__dict__)
        self.children = {name: fused(child) for name, child in sequential.children.items()}
        self.input_gradient = input_gradient
        self.stages = read_stages(self.children.values())

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        if not self.stages:
            return super().__call__(x, rng)
        backwards, last = [], len(self.stages) - 1
        for i, stage in enumerate(self.stages):
            try:
                x, stage_backward = _apply(stage, x, rng, inner=i < last, input_gradient=i > 0 or self.input_gradient)
            except (ValueError, TypeError) as error:
                error.add_note(f"in stage {i} ({type(stage.layer).__name__}) of {type(self).__name__}")
                raise
            backwards.append(stage_backward)

        def backward(dy: Array) -> Array:
            for stage_backward in reversed(backwards):
                dy = stage_backward(dy)
            return dy

        return x, backward

    def __getitem__(self, part: slice) -> Row:
        chosen = super().__getitem__(part)
        assert isinstance(chosen, Row)
        chosen.stages = read_stages(chosen.children.values())
        chosen.input_gradient = self.input_gradient or part.indices(len(self.children))[0] > 0
        return chosen


@tangent_rule.register
def _row(layer: Row, x: Array, tx: Array, rng: np.random.Generator | None = None) -> LayerTangent:
    return chain(layer.children.values(), x, tx, rng)


def fused(layer: Layer, input_gradient: bool = True) -> Layer:
    """Return `layer` computed by fused stages, on the same vectors.

    Without `input_gradient` its backward returns a `DataGradient` where it can spare the gradient of its input.
    """
    if isinstance(layer, Row):
        return layer
    if type(layer) is Sequential:
        return Row(layer, input_gradient)
    clone = copy.copy(layer)
    if type(layer) in OPS:
        clone.op = OPS[type(layer)]  # type: ignore[attr-defined]
    clone.children = {}
    for i, (name, child) in enumerate(layer.children.items()):
        first = i == 0 and type(layer) in _BEGINS_WITH_FIRST_CHILD
        replaced = clone.children[name] = fused(child, input_gradient or not first)
        for attribute, value in vars(layer).items():
            if value is child:
                setattr(clone, attribute, replaced)
    return clone


def _apply(
    stage: Stage, x: Array, rng: np.random.Generator | None, *, inner: bool, input_gradient: bool
) -> tuple[Array, Backward]:
    """Value and backward of one stage; `inner` if another follows, which then is the only reader of the value."""
    layer, kind = stage.layer, type(stage.layer)
    if kind not in OPS:
        if inner and kind in (Flatten, Reshape):
            y, shape = x.reshape(len(x), *layer.output_shape(x.shape[1:])), x.shape
            return y, lambda dy: dy.reshape(shape)
        return layer(x, rng)
    if kind is LinearStack:
        return _chain(layer, x, input_gradient)  # type: ignore[arg-type]
    weights, *others = layer.parameters.values()
    relu = type(stage.activation) is ReLU
    y, op_backward = OPS[kind](x, weights.value, *(p.value for p in others), **layer.options, relu=relu)  # type: ignore[attr-defined]
    activation_backward = None
    if stage.activation is not None and not relu:
        y, activation_backward = stage.activation(y)

    def backward(dy: Array) -> Array:
        if activation_backward is not None:
            dy = activation_backward(dy)
        room = claim(weights)
        dx, dW, *gradients = op_backward(dy, room, input_gradient=input_gradient)
        if room is None:
            add_gradient(weights, dW)
        for parameter, gradient in zip(others, gradients, strict=True):
            add_gradient(parameter, gradient)
        return dx if input_gradient else DataGradient()  # type: ignore[return-value]

    return y, backward


def _chain(layer: LinearStack, x: Array, input_gradient: bool) -> tuple[Array, Backward]:
    y, op_backward = ops.linear_stack(x, layer.factors())
    W = layer.parameters["W"]

    def backward(dy: Array) -> Array:
        # A shared weight is one argument used l times: its gradients add up.
        room = claim(W) if W.trainable and len(W.value) == layer.layers else None
        dx, dfactors = op_backward(dy, room, input_gradient=input_gradient)
        if room is None:
            layer.add_gradient(dfactors)
        return dx if input_gradient else DataGradient()  # type: ignore[return-value]

    return y, backward
