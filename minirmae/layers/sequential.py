"""The chain rule: values forwards, gradients backwards."""

import copy

import numpy as np

from minirmae.arrays import Array
from minirmae.layers.layer import Backward, Layer, Shape


class Sequential(Layer):
    """Layers one after the other: the chain rule."""

    def __init__(self, *layers: Layer) -> None:
        super().__init__(children={str(i): layer for i, layer in enumerate(layers)})

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        y, backwards = x.copy() if not self.children else x, []
        for name, layer in self.children.items():
            try:
                y, layer_backward = layer(y, rng)
            except (ValueError, TypeError) as error:
                error.add_note(f"in layer {name} ({type(layer).__name__}) of {type(self).__name__}")
                raise
            backwards.append(layer_backward)

        def backward(dy: Array) -> Array:
            dx = dy.copy() if not backwards else dy
            for layer_backward in reversed(backwards):
                dx = layer_backward(dx)
            return dx

        return y, backward

    def __getitem__(self, part: slice) -> "Sequential":
        """Return some of the layers, on the same parameters: `decoder[:-1]` leaves out the last."""
        chosen, layers = copy.copy(self), dict(list(self.children.items())[part])
        chosen.children, ends = layers, [*layers.values()] or [self]
        chosen._trained = slice(ends[0]._trained.start, ends[-1]._trained.stop if layers else self._trained.start)
        chosen._fixed = slice(ends[0]._fixed.start, ends[-1]._fixed.stop if layers else self._fixed.start)
        return chosen

    def output_shape(self, shape: Shape) -> Shape:
        for layer in self.children.values():
            shape = layer.output_shape(shape)
        return shape
