"""The function under test, and the linear algebra that every rung needs.

A subject is a function with the `(y, backward)` contract together with the
float64 point at which it is checked. Directions `u` (one array for each
argument) and cotangents `v` (shaped like the value) are random and drawn from
the subject's seed: an all-ones cotangent is blind to every error that sums to
zero, which for a softmax is all of them.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minirmae.arrays import Array, asarray, asnumpy

Function = Callable[..., tuple[Any, Callable[..., Any]]]
Direction = Sequence[Array | None]
"""One array for each argument; None where an argument does not move."""


@dataclass(frozen=True)
class Subject:
    """A function, the float64 point it is checked at, the names and seed to report, and the device to compare with."""

    name: str
    function: Function
    arguments: tuple[str, ...]
    arrays: tuple[Array, ...]
    seed: int
    device: str = "cpu"

    @property
    def all_arguments(self) -> str:
        """The argument of a row in which every argument takes part."""
        return "all" if len(self.arguments) > 1 else self.arguments[0]

    def point(self, dtype: Any = np.float64) -> list[Array]:
        """Fresh copies of the arguments in `dtype`, which the function may do what it likes with."""
        return [array.astype(dtype) for array in self.arrays]

    def rng(self, rung: str) -> np.random.Generator:
        """A generator of its own for each rung, so that leaving one out does not change another."""
        return np.random.default_rng([self.seed, *rung.encode()])

    def direction(self, rng: np.random.Generator) -> list[Array]:
        """A standard normal direction over all arguments jointly."""
        return [np.asarray(rng.standard_normal(array.shape)) for array in self.arrays]

    def evaluate(
        self, arrays: Sequence[Array], device: str = "cpu"
    ) -> tuple[Array, Callable[[Array], tuple[Array, ...]]]:
        """Call the function on `device`; return its value and its backward as cotangent -> tuple of gradients.

        Arrays are taken and returned with the processor. They are given away;
        the cotangent is not: the backward gets a copy.
        """
        y, backward = self.function(*(asarray(array, device) for array in arrays))

        def pull(dy: Array) -> tuple[Array, ...]:
            gradients = as_tuple(backward(as_cotangent(asarray(dy.copy(), device))))
            return gradients if device == "cpu" else tuple(map(asnumpy, gradients))

        return asnumpy(y), pull


def as_tuple(gradients: Any) -> tuple[Any, ...]:
    """The gradients as a tuple, also where the contract returns a single array."""
    return gradients if isinstance(gradients, tuple) else (gradients,)


def as_cotangent(dy: Array) -> Any:
    """`dy` itself, or a NumPy scalar where the value is one (a loss)."""
    return dy if dy.ndim else dy[()]


def draw_like(rng: np.random.Generator, y: Array) -> Array:
    """A standard normal float64 array with the shape of `y`."""
    return np.asarray(rng.standard_normal(y.shape))


def inner(a: Direction, b: Direction) -> float:
    """The real inner product of two lists of arrays; None counts as zero."""
    pairs = ((x, y) for x, y in zip(a, b, strict=True) if x is not None and y is not None)
    return sum((float(np.dot(x.ravel(), y.ravel())) for x, y in pairs), 0.0)


def norm(a: Direction) -> float:
    """The Euclidean norm of a list of arrays taken as one vector."""
    return math.hypot(*(float(np.linalg.norm(x.ravel())) for x in a if x is not None))


def relative_difference(a: Array, b: Array) -> float:
    """|a - b| / max(|a|, |b|) in the Euclidean norm; 0 if both vanish, infinite if the shapes differ."""
    if np.shape(a) != np.shape(b):
        return math.inf
    difference, scale = norm([np.asarray(a - b)]), max(norm([np.asarray(a)]), norm([np.asarray(b)]))
    return difference / scale if difference else 0.0


def argument_names(function: Function, count: int) -> tuple[str, ...]:
    """The names of the first `count` positional parameters, or numbers where they cannot be read."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # some callables of extension modules have no signature
        parameters = []
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return tuple(names[:count]) if len(names) >= count else tuple(f"argument {k}" for k in range(count))
