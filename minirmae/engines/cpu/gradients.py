"""Gradients that are written the first time and added to afterwards, so that nobody has to clear them.

Setting a large model's gradients to zero, and adding the first ones to those zeros, moves as much memory as the update
does. Within a training step the engine's stages ask for the memory of a gradient (`claim`) and write there; whoever
else looks at gradients, or adds to them, first gets the zeros that are still due.
"""

from __future__ import annotations

from minirmae.arrays import Array
from minirmae.layers import Layer
from minirmae.layers.parameters import Parameter, Store


class LazyStore(Store):
    """A model's vectors, whose gradients may be waiting for their first write.

    Args:
        model: the model that will live here.
        values, grads, fixed: as of `Store`.
    """

    def __init__(self, model: Layer, values: Array, grads: Array, fixed: Array) -> None:
        self.values, self.fixed, self.vector = values, fixed, grads
        self._parameters = [p for _, p in model.named_parameters() if p.trainable]
        self._waiting: dict[int, Parameter] = {}

    @property
    def grads(self) -> Array:  # type: ignore[override]
        """The gradients, with all zeros written."""
        for p in self._waiting.values():
            self.vector[p.start : p.start + p.size] = 0
        self._waiting = {}
        return self.vector

    def clear(self) -> None:
        """Make all gradients zero; the memory is written by the first that adds, or when somebody looks."""
        self._waiting = {id(p): p for p in self._parameters}

    def claim(self, p: Parameter) -> Array | None:
        """Return the memory of p's gradient to whoever is the first to add and will fill all of it, or else None."""
        if self._waiting.pop(id(p), None) is None:
            return None
        return self.vector[p.start : p.start + p.size].reshape(p.shape)


def add_gradient(p: Parameter, gradient: Array) -> None:
    """Add to the gradient of p, or write it if it is the first."""
    room = claim(p)
    if room is None:
        p.grad[...] += gradient
    else:
        room[...] = gradient


def claim(p: Parameter) -> Array | None:
    """Return the memory of p's gradient if nothing has been added to it in this step, or else None."""
    return p.store.claim(p) if isinstance(p.store, LazyStore) else None
