"""Layers one after the other."""

from __future__ import annotations

import numpy as np

from minirmae import ops
from minirmae.arrays import Array
from minirmae.layers.activations import ReLU
from minirmae.layers.backward import Backward, SparingBackward, sparingly
from minirmae.layers.convolution import Conv2d, ConvTranspose2d
from minirmae.layers.layer import Layer, Shape
from minirmae.layers.shapes import Flatten, Reshape


class Sequential(Layer):
    """Layers one after the other: the chain rule.

    >>> from minirmae.layers import Linear, ReLU
    >>> rng = np.random.default_rng(0)
    >>> model = Sequential(Linear(4, 3, rng=rng), ReLU(), Linear(3, 2, rng=rng))
    >>> print(model.summary((4,)))
    layer     output  parameters
    0 Linear  3               15
    1 ReLU    3
    2 Linear  2                8
    23 trainable parameters
    """

    def __init__(self, *layers: Layer) -> None:
        super().__init__(children={str(i): layer for i, layer in enumerate(layers)})

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        if not self.children:
            return ops.reshape(x, x.shape[1:])  # the identity, as a copy like every op's result
        backwards: list[Backward] = []
        layers = list(self.children.items())
        rectified = False
        for (name, layer), (_, after) in zip(layers, [*layers[1:], ("", None)], strict=True):
            if rectified:  # this is a ReLU that the convolution before it has taken along
                rectified = False
                continue
            try:
                # Shortcuts go by type, because a subclass may have a call of its own.
                if type(after) is ReLU and (type(layer) is Conv2d or type(layer) is ConvTranspose2d):
                    x, layer_backward = layer.rectified(x)
                    rectified = True
                elif after is not None and (type(layer) is Flatten or type(layer) is Reshape):
                    x, layer_backward = layer.view(x)
                else:
                    x, layer_backward = layer(x, rng)
            except (ValueError, TypeError) as error:
                error.add_note(f"in layer {name} ({type(layer).__name__}) of {type(self).__name__}")
                raise
            backwards.append(layer_backward)

        def run(dy: Array, input_gradient: bool) -> Array | None:
            first, *others = backwards
            for layer_backward in reversed(others):
                dy = layer_backward(dy)
            return sparingly(first, dy, input_gradient)

        return x, SparingBackward(run)

    def output_shape(self, shape: Shape) -> Shape:
        for layer in self.children.values():
            shape = layer.output_shape(shape)
        return shape
