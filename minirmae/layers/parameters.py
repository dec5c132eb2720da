"""Parameters as views into one flat vector.

A `Store` holds three contiguous vectors: the trainable values, their
gradients, and the values that are not trained. A `Parameter` is a name, a
shape and a position in such a store; its `value` and `grad` are views, looked
up when asked for, so that there is one copy of every number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minirmae.arrays import Array, DeviceError, array_module, device_of


@dataclass
class Store:
    """The vectors behind a model: `values` and `grads` of equal length, and `fixed`."""

    values: Array
    grads: Array
    fixed: Array


class Parameter:
    """A named array in a store.

    Attributes:
        name: as its layer calls it, such as "W".
        shape: the array's shape.
        size: number of entries.
        trainable: False for an array that keeps its initial value and has no gradient.
    """

    def __init__(self, name: str, value: Array, *, trainable: bool = True) -> None:
        xp = array_module(value)
        vector, empty = xp.ravel(value), xp.empty(0, dtype=value.dtype)
        self.name = name
        self.shape: tuple[int, ...] = value.shape
        self.size: int = value.size
        self.trainable = trainable
        self._store = Store(vector, xp.zeros_like(vector), empty) if trainable else Store(empty, empty, vector)
        self._start = 0
        self._cleared = False

    @property
    def value(self) -> Array:
        """The array, a view: change it with `parameter.value[...] = new`."""
        return self._view(self._store.values if self.trainable else self._store.fixed)

    @property
    def grad(self) -> Array:
        """The gradient, a view of the value's shape; backwards add into it, most cheaply by `add_grad`.

        Raises ValueError if the parameter is not trainable.
        """
        if not self.trainable:
            raise ValueError(f"parameter {self.name} is fixed and has no gradient")
        self.settle()
        return self._view(self._store.grads)

    def clear_grad(self) -> None:
        """Make the gradient zero; the memory is written when somebody looks, or by the first that adds."""
        self._cleared = self.trainable

    def add_grad(self, gradient: Array) -> None:
        """Add to the gradient. Raises ValueError if the parameter is not trainable."""
        room = self.claim_grad()
        if room is None:
            self.grad[...] += gradient
        else:
            room[...] = gradient

    def claim_grad(self) -> Array | None:
        """Return the gradient's memory to whoever is the first to add and will fill all of it, or else None."""
        if not self._cleared:
            return None
        self._cleared = False
        return self.grad

    def settle(self) -> None:
        """Write the zeros of a gradient that was cleared and not added to."""
        if self._cleared:
            self._cleared = False
            self._view(self._store.grads)[...] = 0

    def move(self, store: Store, start: int) -> None:
        """Copy the value and gradient into `store` at `start`, and live there from now on."""
        value, grad = self.value, self.grad if self.trainable else None
        self._store, self._start = store, start
        self.value[...] = value
        if grad is not None:
            self.grad[...] = grad

    def _view(self, vector: Array) -> Array:
        return vector[self._start : self._start + self.size].reshape(self.shape)

    def __repr__(self) -> str:
        return f"Parameter({self.name!r}, shape={self.shape}, trainable={self.trainable})"


def gather(parameters: list[Parameter]) -> Store:
    """Move `parameters`, in order, into one new store and return it.

    Raises:
        TypeError: their dtypes differ.
        ValueError: one parameter is listed twice, or they are on different devices (DeviceError).
    """
    if len({id(p) for p in parameters}) != len(parameters):
        raise ValueError(
            "a layer occurs twice in this model; build two layers, "
            "or use LinearStack(..., shared=True) for one weight used several times"
        )
    dtypes = {p.value.dtype for p in parameters}
    if len(dtypes) > 1:
        raise TypeError(f"all parameters of a model must share one dtype, got {', '.join(sorted(map(str, dtypes)))}")
    devices = {device_of(p.value) for p in parameters}
    if len(devices) > 1:
        raise DeviceError(
            f"all parameters of a model must be on one device, got {', '.join(sorted(devices))}; "
            "move the layers first, with layer.to(device)"
        )
    dtype = dtypes.pop() if dtypes else np.dtype(np.float32)
    xp = array_module(parameters[0].value) if parameters else np
    trainable = sum(p.size for p in parameters if p.trainable)
    fixed = sum(p.size for p in parameters if not p.trainable)
    store = Store(xp.empty(trainable, dtype), xp.empty(trainable, dtype), xp.empty(fixed, dtype))
    ends = {True: 0, False: 0}
    for p in parameters:
        p.move(store, ends[p.trainable])
        ends[p.trainable] += p.size
    return store
