"""The base of all layers and models: a tree of layers on one flat vector.

`y, backward = layer(x, rng=None)`, and `backward(dy)` returns `dx` and adds
into the gradients of the layer's parameters. A layer keeps nothing of a
forward, so any number of them can be in flight.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from minirmae.arrays import Array, array_module, asarray, device_of
from minirmae.engines.cpu.pages import shared_copy
from minirmae.layers.backward import Backward
from minirmae.layers.parameters import Parameter, Store, gather

Shape = tuple[int, ...]


class Layer:
    """Base of all layers and models.

    Args:
        parameters: arrays to train, by name.
        fixed: arrays that keep their value, by name.
        children: layers inside this one, by name, in the order of their parameters.

    Attributes:
        values: all trainable parameters of this layer and its children, one vector.
        grads: their gradients, in the same order.
        fixed: all parameters that are not trained, one vector.
    """

    def __init__(
        self,
        parameters: dict[str, Array] | None = None,
        *,
        fixed: dict[str, Array] | None = None,
        children: dict[str, Layer] | None = None,
    ) -> None:
        own = [Parameter(name, value) for name, value in (parameters or {}).items()]
        own += [Parameter(name, value, trainable=False) for name, value in (fixed or {}).items()]
        self.parameters = {p.name: p for p in own}
        self.children = dict(children or {})
        self._all = [p for _, p in self.named_parameters()]
        self._adopt(gather(self._all), 0, 0)

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        """Return the value at `x` and its backward.

        Args:
            x: a batch of inputs, shape (N, ...).
            rng: source of randomness in training; None to evaluate.
        """
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
    def values(self) -> Array:
        """All trainable parameters as one vector, a view."""
        return self._store.values[self._trained]

    @property
    def grads(self) -> Array:
        """All gradients as one vector, a view; set to zero with `model.zero_grads()`, and then taken anew."""
        self._settle()
        return self._store.grads[self._trained]

    def zero_grads(self) -> None:
        """Set all gradients to zero.

        Cheaper than `model.grads[...] = 0`: memory that the next backward fills is not written twice. A view of
        the gradients that was taken before shows the zeros only after `grads` has been asked for again.
        """
        for parameter in self._all:
            parameter.clear_grad()

    @property
    def fixed(self) -> Array:
        """All parameters that are not trained as one vector, a view."""
        return self._store.fixed[self._fixed]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The parameters' dtype."""
        return self._store.values.dtype

    def astype(self, dtype: Any) -> Self:
        """Return a copy of this layer whose parameters have `dtype`, with gradients at zero."""
        return self._with(self.values.astype(dtype), self.fixed.astype(dtype))

    @property
    def device(self) -> str:
        """Name of the device that the parameters are on, such as "cpu" or "cuda:0"."""
        return device_of(self._store.values)

    def to(self, device: str) -> Self:
        """Return a copy of this layer on `device` ("cpu", "cuda", "cuda:1"), with gradients at zero.

        Raises DeviceError (a ValueError) if there is no such device, or it cannot be used.
        """
        return self._with(asarray(self.values.copy(), device), asarray(self.fixed.copy(), device))

    def share(self) -> None:
        """Move parameters and gradients into memory shared with processes forked later; take views of them anew.

        Raises ValueError if this layer is part of a larger one.
        """
        self._require_whole("share")
        self._settle()
        self._store.values, self._store.grads = shared_copy(self._store.values), shared_copy(self._store.grads)

    def use_grads(self, vector: Array) -> None:
        """Let `vector` hold the gradients from now on; raises ValueError if this layer is part of a larger one."""
        self._require_whole("use_grads")
        self._settle()
        self._store.grads = vector

    def _settle(self) -> None:
        """Write the zeros of gradients that were cleared and not added to."""
        for parameter in self._all:
            parameter.settle()

    def _require_whole(self, where: str) -> None:
        if self.values.size != self._store.values.size:
            raise ValueError(f"{where}: this layer shares its vectors with a larger model; call that")

    def summary(self, shape: Shape) -> str:
        """Table of the layers with output shapes and parameter counts, for one input sample of `shape`."""
        rows, _ = self._rows(type(self).__name__, shape)
        rows.insert(0, ("layer", "output", "parameters"))
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
        total = f"{self.values.size:,} trainable parameters"
        return "\n".join([*lines, total + (f", {self.fixed.size:,} fixed" if self.fixed.size else "")])

    def _rows(self, name: str, shape: Shape) -> tuple[list[tuple[str, str, str]], Shape]:
        """Rows of the summary for this layer, and its output shape."""
        if not self.children:
            output = self.output_shape(shape)
            count = self.values.size + self.fixed.size
            label = name if name == type(self).__name__ else f"{name} {type(self).__name__}"
            return [(label, " x ".join(map(str, output)), f"{count:,}" if count else "")], output
        rows: list[tuple[str, str, str]] = []
        for child_name, child in self.children.items():
            path = child_name if name == type(self).__name__ else f"{name}.{child_name}"
            child_rows, shape = child._rows(path, shape)
            rows += child_rows
        return rows, shape

    def _adopt(self, store: Store, trained: int, fixed: int) -> tuple[int, int]:
        """Take the stretches of `store` that start here; return where they end."""
        start = trained, fixed
        for p in self.parameters.values():
            trained, fixed = (trained + p.size, fixed) if p.trainable else (trained, fixed + p.size)
        for child in self.children.values():
            trained, fixed = child._adopt(store, trained, fixed)
        self._store, self._trained, self._fixed = store, slice(start[0], trained), slice(start[1], fixed)
        return trained, fixed

    def _with(self, values: Array, fixed: Array) -> Self:
        """Copy this layer with these vectors and gradients at zero."""
        # Not zeros_like, which would write them: gradients that nobody asks for then cost no memory.
        return self._copy(Store(values, array_module(values).zeros(values.size, values.dtype), fixed))

    def _copy(self, store: Store) -> Self:
        """Copy the tree of layers onto `store`, which holds this layer's vectors and nothing else."""
        clone = copy.deepcopy(self, {id(self._store): store})
        offset = self._trained.start, self._fixed.start
        for _, p in clone.named_parameters():
            p._start -= offset[0] if p.trainable else offset[1]
        clone._adopt(store, 0, 0)
        return clone
