"""Parameters as views into one flat vector, so that there is one copy of every number."""

from dataclasses import dataclass

import numpy as np

from minirmae.arrays import Array, DeviceError, array_module, device_of


@dataclass
class Store:
    """The vectors behind a model: the trained `values`, their gradients `grads`, and the values that stay `fixed`."""

    values: Array
    grads: Array
    fixed: Array


class Parameter:
    """An array in a store: its name, such as "W", its shape and size, and whether it is `trainable`."""

    def __init__(self, name: str, value: Array, *, trainable: bool = True) -> None:
        xp = array_module(value)
        vector, empty = xp.ravel(value), xp.empty(0, dtype=value.dtype)
        self.name, self.shape, self.size, self.trainable = name, tuple(value.shape), int(value.size), trainable
        self.store = Store(vector, xp.zeros_like(vector), empty) if trainable else Store(empty, empty, vector)
        self.start = 0

    @property
    def value(self) -> Array:
        """The array, a view: change it with `parameter.value[...] = new`."""
        return self._view(self.store.values if self.trainable else self.store.fixed)

    @property
    def grad(self) -> Array:
        """The gradient, a view of the value's shape, into which backwards add; ValueError if it is not trainable."""
        if not self.trainable:
            raise ValueError(f"parameter {self.name} is fixed and has no gradient")
        return self._view(self.store.grads)

    def _view(self, vector: Array) -> Array:
        return vector[self.start : self.start + self.size].reshape(self.shape)


def gather(parameters: list[Parameter]) -> Store:
    """Return a new store with the values and gradients of `parameters`, in order.

    Raises TypeError if their dtypes differ, ValueError if one is listed twice or they are on different devices.
    """
    if len({id(p) for p in parameters}) != len(parameters):
        shared = "LinearStack(..., shared=True) for one weight used several times"
        raise ValueError(f"a layer occurs twice in this model; build two layers, or use {shared}")
    dtypes, devices = {str(p.value.dtype) for p in parameters}, {device_of(p.value) for p in parameters}
    if len(dtypes) > 1:
        raise TypeError(f"all parameters of a model must share one dtype, got {', '.join(sorted(dtypes))}")
    if len(devices) > 1:
        found, advice = ", ".join(sorted(devices)), "move the layers first, with layer.to(device)"
        raise DeviceError(f"all parameters of a model must be on one device, got {found}; {advice}")
    xp, dtype = array_module(parameters[0].value) if parameters else np, next(iter(dtypes), "float32")
    trained, fixed = ([p for p in parameters if p.trainable is choice] for choice in (True, False))
    parts = [p.value for p in trained], [p.grad for p in trained], [p.value for p in fixed]
    return Store(*(xp.concatenate([xp.empty(0, dtype), *map(xp.ravel, part)]) for part in parts))
