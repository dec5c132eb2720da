"""The base of all layers and models: a tree of layers on one flat vector; and the chain rule, `Sequential`.

`y, backward = layer(x, rng)`; `backward(dy)` returns `dx` and adds into the gradients of the layer's parameters. A
layer keeps nothing of a forward, so any number can be in flight. `layer.store` has the vectors of the whole tree.
"""

import copy
from collections.abc import Callable, Iterator
from typing import Any, Self

import numpy as np

from minirmae.arrays import Array, array_module, asarray, device_of
from minirmae.layers.parameters import Parameter, Store, gather

Shape = tuple[int, ...]
Backward = Callable[[Array], Array]


class Layer:
    """`parameters` are trained, `fixed` arrays keep their value, `children` are the layers inside, all by name."""

    def __init__(self, parameters: Any = None, *, fixed: Any = None, children: Any = None) -> None:
        self.parameters = {name: Parameter(name, value) for name, value in (parameters or {}).items()}
        self.parameters |= {name: Parameter(name, value, trainable=False) for name, value in (fixed or {}).items()}
        self.children: dict[str, Layer] = dict(children or {})
        self._adopt(gather([p for _, p in self.named_parameters()]), 0, 0)

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        """Return the value at a batch x (N, ...) and its backward; `rng` is the noise of training, None evaluates."""
        raise NotImplementedError(f"{type(self).__name__} does not define __call__")

    def output_shape(self, shape: Shape) -> Shape:
        """Shape of one output sample for an input sample of `shape`, both without the batch axis: an empty batch's."""
        return self(array_module(self.values).zeros((0, *shape), self.dtype))[0].shape[1:]

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        """Yield (path, parameter) in the order of the flat vectors; a path is like `encoder.0.W`."""
        for name, parameter in self.parameters.items():
            yield prefix + name, parameter
        for name, child in self.children.items():
            yield from child.named_parameters(f"{prefix}{name}.")

    @property
    def values(self) -> Array:
        """All trained parameters of this layer and its children as one vector, a view."""
        return self.store.values[self._trained]

    @property
    def grads(self) -> Array:
        """Their gradients in the same order, a view."""
        return self.store.grads[self._trained]

    @property
    def fixed(self) -> Array:
        """All parameters that are not trained as one vector, a view."""
        return self.store.fixed[self._fixed]

    def zero_grads(self) -> None:
        """Set all gradients to zero."""
        self.grads[...] = 0

    @property
    def dtype(self) -> np.dtype[Any]:
        """The parameters' dtype."""
        return self.store.values.dtype

    @property
    def device(self) -> str:
        """Name of the device that the parameters are on, such as "cpu" or "cuda:0"."""
        return device_of(self.store.values)

    def astype(self, dtype: Any) -> Self:
        """Return a copy of this layer whose parameters have `dtype`, with gradients at zero."""
        return self._copy(self.values.astype(dtype), self.fixed.astype(dtype))

    def to(self, device: str) -> Self:
        """Return a copy of this layer on `device`, with gradients at zero; DeviceError if it cannot be used."""
        return self._copy(asarray(self.values.copy(), device), asarray(self.fixed.copy(), device))

    def attach(self, store: Store) -> None:
        """Live in the vectors of `store`, which hold this model's numbers; ValueError if it is part of a larger one."""
        if (self.values.size, self.fixed.size) != (self.store.values.size, self.store.fixed.size):
            raise ValueError("attach: this layer shares its vectors with a larger model; call that")
        self._adopt(store, 0, 0)

    def _adopt(self, store: Store, trained: int, fixed: int) -> tuple[int, int]:
        """Take the stretches of `store` that start here; return where they end."""
        start = trained, fixed
        for p in self.parameters.values():
            p.store, p.start = store, trained if p.trainable else fixed
            trained, fixed = (trained + p.size, fixed) if p.trainable else (trained, fixed + p.size)
        for child in self.children.values():
            trained, fixed = child._adopt(store, trained, fixed)
        self.store, self._trained, self._fixed = store, slice(start[0], trained), slice(start[1], fixed)
        return trained, fixed

    def _copy(self, values: Array, fixed: Array) -> Self:
        """Copy the tree of layers onto a store of these vectors."""
        store = Store(values, array_module(values).zeros(values.size, values.dtype), fixed)
        clone = copy.deepcopy(self, {id(self.store): store})
        clone._adopt(store, 0, 0)
        return clone


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
        """Return neighbouring layers, on the same parameters, such as `decoder[:-1]`; ValueError for a step."""
        if part.step not in (None, 1):
            raise ValueError(f"Sequential: neighbouring layers have step 1, got {part.step}")
        chosen = copy.copy(self)
        chosen.children = dict(list(self.children.items())[part])
        first = next(iter(chosen.children.values()), self)
        chosen._adopt(self.store, first._trained.start, first._fixed.start)
        return chosen
