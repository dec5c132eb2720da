"""Rung 7, testing the test: backwards that are broken on purpose.

A checker that passes everything passes every test of right gradients, so it
must also be shown wrong ones. Each sabotage here is a mistake that people make
when they write a backward by hand. `catalogue` lists those that change what a
given op does (a kernel with KH = KW has no swapped axes to find), and a test
can then demand that each is caught:

    >>> from minirmae.gradcheck import check
    >>> def square(x):
    ...     return x * x, lambda dy: 2 * x * dy
    >>> x = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> broken = catalogue(square, x)
    >>> any(check(b.function, x).passed for b in broken)
    False
    >>> [b.name for b in broken if "scale" in b.name]
    ['wrong scale of x', 'slightly wrong scale of x']
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minirmae.arrays import Array
from minirmae.gradcheck import mistakes
from minirmae.gradcheck.mistakes import Change, returning
from minirmae.gradcheck.subject import Function, argument_names, as_cotangent, as_tuple, relative_difference


@dataclass(frozen=True)
class Sabotage:
    """An op whose value is right and whose backward is not, and what is wrong with it."""

    name: str
    description: str
    function: Function


GRADIENT_MISTAKES: dict[str, tuple[str, Change]] = {
    "zeros": ("the gradient was never written", np.zeros_like),
    "wrong sign": ("minus the gradient", np.negative),
    "wrong scale": ("a forgotten factor of two", lambda g: 2 * g),
    "slightly wrong scale": ("an epsilon left in the formula", lambda g: g * (1 + 1e-6)),
    "mean for sum": ("divided by the length of the first axis", lambda g: g / max(1, len(g)) if g.ndim else g),
    "transposed": ("the last two axes swapped", lambda g: _reread(g, -1, -2) if g.ndim >= 2 else g),
    "swapped kernel axes": ("KH and KW swapped", lambda g: _reread(g, 0, 1) if g.ndim == 4 else g),
    "flipped kernel": ("correlation mistaken for convolution", lambda g: g[::-1, ::-1] if g.ndim == 4 else g),
    "dropped last entry": ("a loop that ends one too early", lambda g: _zeroed(g.reshape(-1), -1).reshape(g.shape)),
    "dropped border": ("the remainder of a strided window lost", lambda g: _zeroed(g, np.s_[:, -1:])),
    "shifted": ("off by one", lambda g: np.roll(g, 1)),
    "clipped": ("gradient clipping inside the op", lambda g: _clipped(g)),
    "low precision": ("computed in float32 on the way", lambda g: g.real.astype(np.float32).astype(g.dtype)),
}
"""What can be wrong with the numbers of one gradient."""

COTANGENT_MISTAKES: dict[str, tuple[str, Change]] = {
    "ignored dy": ("right only for the gradient of the sum", np.ones_like),
    "first sample only": ("the sum over the batch forgotten", lambda dy: _zeroed(dy, np.s_[1:])),
    "absolute dy": ("a backward that is not linear", lambda dy: np.sign(dy.real) * dy),
}
"""What can be wrong with how one gradient uses dy: it is the right gradient for another cotangent."""

VISIBLE = 1e-8
"""A mistake in the numbers applies if it changes a gradient by more than this, relative."""


def catalogue(function: Function, *arrays: Array, arguments: Sequence[str] | None = None) -> list[Sabotage]:
    """The sabotages of `function` that change what it does at `arrays`.

    Args:
        function, arrays, arguments: as for `check`.

    Returns:
        For each argument the mistakes in its numbers, then those in how the whole op behaves.
    """
    points = [np.asarray(array, dtype=np.float64) for array in arrays]
    names = arguments or argument_names(function, len(points))
    expected = _gradients(function, points)
    found = []
    for k, name in enumerate(names):
        for mistake, (description, change) in GRADIENT_MISTAKES.items():
            wrong = mistakes.wrong_gradient(function, k, change)
            found.append((k, Sabotage(f"{mistake} of {name}", description, wrong)))
        for mistake, (description, change) in COTANGENT_MISTAKES.items():
            wrong = mistakes.wrong_cotangent(function, k, change)
            found.append((k, Sabotage(f"{mistake} in {name}", description, wrong)))
    visible = [s for k, s in found if relative_difference(_gradients(s.function, points)[k], expected[k]) > VISIBLE]
    return visible + list(_behaviour(function, points))


def _behaviour(function: Function, arrays: Sequence[Array]) -> Iterator[Sabotage]:
    """Mistakes that leave the numbers of a first call right."""
    y = np.asarray(function(*(a.copy() for a in arrays))[0])
    gradients = _gradients(function, arrays)
    other = [np.flip(a).copy() for a in arrays]
    if y.ndim and y.size:
        yield Sabotage("mutated dy", "dy scaled in place", mistakes.mutating_dy(function))
    if any(a.ndim and a.size for a in arrays):
        yield Sabotage("mutated input", "an argument overwritten", mistakes.mutating_input(function))
    if any(g.shape == y.shape and g.size and y.ndim for g in gradients):
        yield Sabotage("alias of dy", "dy handed back as the gradient", mistakes.aliasing(function))
    if any(np.any(g) for g in gradients):
        yield Sabotage("accumulated", "each call adds to the last one's result", mistakes.accumulating(function))
    if any(np.any(g) and g.ndim for g in gradients):
        yield Sabotage("reused buffer", "each call writes over the last one's result", mistakes.reusing(function))
    if any(relative_difference(a, b) > VISIBLE for a, b in zip(_gradients(function, other), gradients, strict=True)):
        yield Sabotage("stale value", "state of the latest forward in place of this one's", mistakes.stale(function))
    yield Sabotage("single use", "the second call fails", mistakes.single_use(function))
    yield Sabotage("float64 result", "the dtype of float32 arguments not kept", returning(function, np.float64))
    yield Sabotage("float32 result", "the dtype of float64 arguments not kept", returning(function, np.float32))
    yield Sabotage("extra axis", "a gradient of the wrong shape", mistakes.reshaping(function))
    yield Sabotage("missing gradient", "one gradient too few", mistakes.dropping(function))


def _gradients(function: Function, arrays: Sequence[Array]) -> tuple[Array, ...]:
    """Copies of the gradients for one fixed random cotangent."""
    y, backward = function(*(array.copy() for array in arrays))
    dy = np.asarray(np.random.default_rng(0).standard_normal(np.shape(y)))
    return tuple(np.array(gradient) for gradient in as_tuple(backward(as_cotangent(dy))))


def _reread(g: Array, a: int, b: int) -> Array:
    """The entries of `g` with two axes swapped, read as if they had not been."""
    return np.swapaxes(g, a, b).reshape(g.shape)


def _zeroed(g: Array, where: Any) -> Array:
    """A copy of `g` with zeros at an index; an index with more axes than `g` changes nothing."""
    result = g.copy()
    if g.ndim >= (len(where) if isinstance(where, tuple) else 1) and g.size:
        result[where] = 0
    return result


def _clipped(g: Array) -> Array:
    """Every entry limited to half of the largest one's size."""
    size = np.abs(g.real)
    limit = size.max(initial=0.0) / 2
    return g * np.minimum(1, limit / np.where(size > 0, size, 1))
