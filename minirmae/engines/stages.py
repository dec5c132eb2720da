"""How every engine reads a model: a row of stages, each a linear map with its bias and the activation after it.

Types are compared exactly, since a subclass may have a forward of its own; such a layer is a stage by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from minirmae.layers import Conv2d, ConvTranspose2d, Layer, Linear, LinearStack, ReLU, Sequential, Sigmoid, Tanh

AFFINE = (Linear, Conv2d, ConvTranspose2d)
"""Linear maps with an optional bias, which an activation may follow in the same stage."""

CHAIN = LinearStack
"""A product of linear maps; a stage by itself."""

ACTIVATIONS = (ReLU, Tanh, Sigmoid)
"""Functions of one entry that may join the stage before them."""


@dataclass(frozen=True)
class Stage:
    """One step of a model.

    Attributes:
        layer: the linear map; or any other layer, alone.
        activation: what follows an affine map at once, or None.
    """

    layer: Layer
    activation: Layer | None = None


def read_stages(layers: Iterable[Layer]) -> list[Stage]:
    """Return `layers`, applied one after the other, as stages; a `Sequential` among them counts as its parts.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> row = [Linear(4, 3, rng=rng), ReLU(), Sequential(Linear(3, 2, rng=rng))]
    >>> [(type(stage.layer).__name__, stage.activation is not None) for stage in read_stages(row)]
    [('Linear', True), ('Linear', False)]
    """
    stages: list[Stage] = []
    for layer in _flat(layers):
        if stages and _joins(stages[-1], layer):
            stages[-1] = replace(stages[-1], activation=layer)
        else:
            stages.append(Stage(layer))
    return stages


def _flat(layers: Iterable[Layer]) -> Iterator[Layer]:
    for layer in layers:
        if type(layer) is Sequential:
            yield from _flat(layer.children.values())
        else:
            yield layer


def _joins(stage: Stage, layer: Layer) -> bool:
    return stage.activation is None and type(stage.layer) in AFFINE and type(layer) in ACTIVATIONS
