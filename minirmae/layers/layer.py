"""The base of all layers and models: a tree of layers on one flat vector.

`y, backward = layer(x, rng=None)`, and `backward(dy)` returns `dx` and adds into the gradients of the layer's
parameters. A layer keeps nothing of a forward, so any number of them can be in flight.
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
    """Base of all layers and models.

    `parameters` are arrays to train and `fixed` arrays that keep their value, by name; `children` are the layers inside
    this one, by name, in the order of their parameters.
    """

    def __init__(
        self,
        parameters: dict[str, Array] | None = None,
        *,
        fixed: dict[str, Array] | None = None,
        children: "dict[str, Layer] | None" = None,
    ) -> None:
        self.parameters = {name: Parameter(name, value) for name, value in (parameters or {}).items()}
        for name, value in (fixed or {}).items():
            self.parameters[name] = Parameter(name, value, trainable=False)
        self.children = dict(children or {})
        self._adopt(gather([p for _, p in self.named_parameters()]), 0, 0)

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        """Return the value at a batch x (N, ...) and its backward; `rng` is the noise of training, None evaluates."""
        raise NotImplementedError(f"{type(self).__name__} does not define __call__")

    def output_shape(self, shape: Shape) -> Shape:
        """Shape of one output sample for an input sample of `shape`, both without the batch axis."""
        return shape

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        """Yield (path, parameter) in the order of the flat vectors; a path is like `encoder.0.W`."""
        for name, parameter in self.parameters.items():
            yield prefix + name, parameter
        for name, child in self.children.items():
            yield from child.named_parameters(f"{prefix}{name}.")

    @property
    def store(self) -> Store:
        """The vectors that this layer shares with the model that it is part of."""
        return self._store

    @property
    def values(self) -> Array:
        """All trained parameters of this layer and its children as one vector, a view."""
        return self._store.values[self._trained]

    @property
    def grads(self) -> Array:
        """Their gradients in the same order, a view."""
        return self._store.grads[self._trained]

    @property
    def fixed(self) -> Array:
        """All parameters that are not trained as one vector, a view."""
        return self._store.fixed[self._fixed]

    def zero_grads(self) -> None:
        """Set all gradients to zero."""
        self.grads[...] = 0

    @property
    def dtype(self) -> np.dtype[Any]:
        """The parameters' dtype."""
        return self._store.values.dtype

    @property
    def device(self) -> str:
        """Name of the device that the parameters are on, such as "cpu" or "cuda:0"."""
        return device_of(self._store.values)

    def astype(self, dtype: Any) -> Self:
        """Return a copy of this layer whose parameters have `dtype`, with gradients at zero."""
        return self._copy(self.values.astype(dtype), self.fixed.astype(dtype))

    def to(self, device: str) -> Self:
        """Return a copy of this layer on `device`, with gradients at zero; DeviceError if it cannot be used."""
        return self._copy(asarray(self.values.copy(), device), asarray(self.fixed.copy(), device))

    def attach(self, store: Store) -> None:
        """Live in the vectors of `store`, which hold this model's numbers; ValueError if it is part of a larger one."""
        if self.values.size != self._store.values.size or self.fixed.size != self._store.fixed.size:
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
        self._store, self._trained, self._fixed = store, slice(start[0], trained), slice(start[1], fixed)
        return trained, fixed

    def _copy(self, values: Array, fixed: Array) -> Self:
        """Copy the tree of layers onto a store of these vectors."""
        store = Store(values, array_module(values).zeros(values.size, values.dtype), fixed)
        clone = copy.deepcopy(self, {id(self._store): store})
        clone._adopt(store, 0, 0)
        return clone
