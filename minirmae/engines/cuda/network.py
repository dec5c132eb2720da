"""The stages of a model (`minirmae.engines.stages`) as the numbers that kernels take.

Reshapes vanish, since they move nothing. A model with anything else beside linear maps and their activations cannot be
captured; it is trained op by op instead.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from minirmae.engines.stages import AFFINE, read_stages
from minirmae.layers import (
    Conv2d,
    ConvTranspose2d,
    Flatten,
    Layer,
    Linear,
    LinearStack,
    ReLU,
    Reshape,
    Sequential,
    Shape,
    Sigmoid,
    Tanh,
)
from minirmae.models.autoencoder import Autoencoder

_ACTIVATIONS: dict[type[Layer], str] = {ReLU: "relu", Tanh: "tanh", Sigmoid: "sigmoid"}


class NotCapturable(TypeError):
    """A model, optimiser or objective that has no captured step."""


@dataclass(frozen=True)
class StageSpec:
    """One linear map and the activation after it, with their shapes and places in the model's flat vectors.

    Attributes:
        kind: "convolution", "transposed", "linear" or "chain".
        inputs, outputs: shapes of one sample.
        weight: its first entry, in the vector of trained parameters or in that of fixed ones.
        trained: which of the two.
        bias: its first entry among the trained parameters, or None.
        kernel, stride, padding: of the convolutions.
        layers, shared: of a chain: how many maps, and whether they are one.
        activation: "none", "relu", "tanh" or "sigmoid".
    """

    kind: str
    inputs: Shape
    outputs: Shape
    weight: int
    trained: bool = True
    bias: int | None = None
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    layers: int = 1
    shared: bool = False
    activation: str = "none"


def stage_specs(model: Layer, shape: Shape) -> tuple[StageSpec, ...]:
    """Return the stages of `model` for samples of `shape`.

    Raises NotCapturable, naming the layer, for a model that is not of stages.
    """
    if str(model.dtype) != "float32":
        raise NotCapturable(f"the captured step trains in float32, the model is {model.dtype}")
    starts = _starts(model)
    stages: list[StageSpec] = []
    for stage in read_stages(_row(model)):
        layer = stage.layer
        outputs = layer.output_shape(shape)
        if type(layer) in _ACTIVATIONS:
            # A reshape or an empty stack, which do nothing to the entries, stood between it and its map.
            if not stages or stages[-1].activation != "none" or stages[-1].kind == "chain":
                raise NotCapturable(f"{type(layer).__name__} does not follow a convolution or a linear layer")
            stages[-1] = replace(stages[-1], activation=_ACTIVATIONS[type(layer)])
        elif type(layer) is LinearStack:
            if layer.layers and stages and stages[-1].kind == "chain":
                raise NotCapturable("two linear stacks follow one another; make them one")
            if layer.layers:
                stages.append(_chain(layer, starts))
        elif type(layer) in AFFINE:
            stages.append(_affine(layer, shape, outputs, starts))
            if stage.activation is not None:
                stages[-1] = replace(stages[-1], activation=_ACTIVATIONS[type(stage.activation)])
        elif type(layer) not in (Flatten, Reshape):
            raise NotCapturable(f"{type(layer).__name__} has no captured step")
        shape = outputs
    if not stages:
        raise NotCapturable("the model has nothing to train")
    return tuple(stages)


def _row(layer: Layer) -> Iterator[Layer]:
    """The layers that are applied one after the other, those of an autoencoder's parts included."""
    if type(layer) in (Sequential, Autoencoder):
        for child in layer.children.values():
            yield from _row(child)
    else:
        yield layer


def _starts(model: Layer) -> dict[int, int]:
    """First entry of every parameter in its flat vector, by the parameter's identity."""
    ends, starts = {True: 0, False: 0}, {}
    for _, parameter in model.named_parameters():
        starts[id(parameter)] = ends[parameter.trainable]
        ends[parameter.trainable] += math.prod(parameter.shape)
    return starts


def _chain(layer: LinearStack, starts: dict[int, int]) -> StageSpec:
    W = layer.parameters["W"]
    vector = (layer.n,)
    return StageSpec(
        "chain",
        vector,
        vector,
        starts[id(W)],
        W.trainable,
        layers=layer.layers,
        shared=W.shape[0] < layer.layers,
    )


def _affine(layer: Layer, inputs: Shape, outputs: Shape, starts: dict[int, int]) -> StageSpec:
    W, b = layer.parameters["W"], layer.parameters.get("b")
    options: dict[str, Any] = {"bias": None if b is None else starts[id(b)]}
    if isinstance(layer, Linear):
        return StageSpec("linear", inputs, outputs, starts[id(W)], **options)
    assert isinstance(layer, (Conv2d, ConvTranspose2d))
    options |= {"kernel": layer.kernel, "stride": layer.options["stride"], "padding": layer.options["padding"]}
    kind = "convolution" if isinstance(layer, Conv2d) else "transposed"
    return StageSpec(kind, inputs, outputs, starts[id(W)], **options)
