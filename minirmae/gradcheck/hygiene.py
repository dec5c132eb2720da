"""Rung 6, hygiene: what a right formula can still get wrong.

A gradient may be correct to the last digit and yet be unusable: because the op
writes into its input, keeps state from one call to the next, returns memory
that somebody else will overwrite, or reads an array in the wrong order when
its strides are unusual. One row for each such property.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

import numpy as np

from minirmae.arrays import Array
from minirmae.gradcheck.report import Row, guarded, measured
from minirmae.gradcheck.subject import Subject, as_cotangent, as_tuple, draw_like, relative_difference

TOLERANCE = 1e-13
"""Largest relative difference of two evaluations; not 0, as another memory layout may sum in another order."""

Layout = Callable[[Array], Array]


def contract(subject: Subject) -> Row:
    """The shape of the answer: a finite floating value, and for each argument a finite gradient like it.

    Nothing else can be checked of a function that fails this. An exception
    of the function itself is not caught: the call is wrong, not the gradient.
    """
    y, backward = subject.function(*subject.point())
    value = np.asarray(y)
    if value.dtype != np.float64:
        return _failed("contract", "y", f"the value of float64 arguments has dtype {value.dtype}")
    if not np.isfinite(value).all():
        return _failed("contract", "y", "the value is not finite")
    gradients = as_tuple(backward(as_cotangent(draw_like(subject.rng("contract"), value))))
    if len(gradients) != len(subject.arrays):
        note = f"backward returned {len(gradients)} gradients for {len(subject.arrays)} arguments"
        return _failed("contract", "all", note)
    for name, gradient, array in zip(subject.arguments, gradients, subject.arrays, strict=True):
        if not isinstance(gradient, np.ndarray | np.generic):
            return _failed("contract", name, f"the gradient is a {type(gradient).__name__}, expected an array")
        if gradient.shape != array.shape:
            return _failed("contract", name, f"the gradient has shape {gradient.shape}, expected {array.shape}")
        if gradient.dtype != np.float64:
            return _failed("contract", name, f"the gradient has dtype {gradient.dtype}, expected float64")
        if not np.isfinite(gradient).all():
            return _failed("contract", name, "the gradient is not finite")
    return _passed("contract")


def rows(subject: Subject, returns_view: bool) -> list[Row]:
    """One row for each property; an exception while testing one is its failure."""
    properties: dict[str, Callable[[], Row]] = {
        "dtype kept": lambda: _dtype_kept(subject),
        "inputs untouched": lambda: _inputs_untouched(subject),
        "dy untouched": lambda: _dy_untouched(subject),
        "repeatable": lambda: _repeatable(subject),
        "re-entrant": lambda: _reentrant(subject),
        "no aliases": lambda: _no_aliases(subject, returns_view),
        "memory layout": lambda: _memory_layout(subject),
    }

    def single(test: Callable[[], Row]) -> Callable[[], Iterator[Row]]:
        return lambda: iter([test()])

    return [row for method, test in properties.items() for row in guarded("hygiene", method, single(test))]


def _dtype_kept(subject: Subject) -> Row:
    """float32 in, float32 out; float64 is the contract's, complex128 the complex step's."""
    y, backward = subject.function(*subject.point(np.float32))
    results = [("y", np.asarray(y))]
    if results[0][1].dtype == np.float32:
        dy = draw_like(subject.rng("dtype"), results[0][1]).astype(np.float32)
        results += zip(subject.arguments, as_tuple(backward(as_cotangent(dy))), strict=True)
    for name, result in results:
        if result.dtype != np.float32:
            return _failed("dtype kept", name, f"float32 arguments gave {result.dtype}")
    return _passed("dtype kept")


def _inputs_untouched(subject: Subject) -> Row:
    arrays = subject.point()
    for array in arrays:
        array.setflags(write=False)
    y, backward = subject.function(*arrays)
    backward(as_cotangent(draw_like(subject.rng("inputs"), np.asarray(y))))
    return _passed("inputs untouched")


def _dy_untouched(subject: Subject) -> Row:
    y, backward = subject.function(*subject.point())
    dy = draw_like(subject.rng("dy"), np.asarray(y))
    dy.setflags(write=False)
    backward(as_cotangent(dy))
    return _passed("dy untouched")


def _repeatable(subject: Subject) -> Row:
    """The backward answers twice the same, and its second answer is not written over the first."""
    y, pull = subject.evaluate(subject.point())
    again, _ = subject.evaluate(subject.point())
    error, worst, note = relative_difference(y, again), "y", "two forwards at one point differ"
    y, pull = subject.evaluate(subject.point())
    dy = draw_like(subject.rng("repeatable"), y)
    first = pull(dy)
    kept = [gradient.copy() for gradient in first]
    pull(2 * dy)
    for name, gradient, reference in zip(subject.arguments, first, kept, strict=True):
        if relative_difference(gradient, reference) > error:
            error, worst = relative_difference(gradient, reference), name
            note = "a later backward wrote over the gradient"
    for name, gradient, reference in zip(subject.arguments, pull(dy), kept, strict=True):
        if relative_difference(gradient, reference) > error:
            error, worst = relative_difference(gradient, reference), name
            note = "calling the backward again gives another gradient"
    return _compared("repeatable", worst, error, note)


def _reentrant(subject: Subject) -> Row:
    """A second forward, with other data, does not change the backward of the first."""
    y, pull = subject.evaluate(subject.point())
    dy = draw_like(subject.rng("re-entrant"), y)
    expected = [gradient.copy() for gradient in pull(dy)]
    y, pull = subject.evaluate(subject.point())
    kept = y.copy()
    # Entries in reverse order: other data, of which every value is still in the function's domain.
    subject.evaluate([np.flip(array).copy() for array in subject.point()])
    error, worst = relative_difference(y, kept), "y"
    for name, gradient, reference in zip(subject.arguments, pull(dy), expected, strict=True):
        if relative_difference(gradient, reference) > error:
            error, worst = relative_difference(gradient, reference), name
    return _compared("re-entrant", worst, error, "a second forward changed the first one's result")


def _no_aliases(subject: Subject, returns_view: bool) -> Row:
    arrays = subject.point()
    y, backward = subject.function(*arrays)
    dy = draw_like(subject.rng("aliases"), np.asarray(y))
    gradients = as_tuple(backward(as_cotangent(dy)))
    owned = [(f"argument {name}", array) for name, array in zip(subject.arguments, arrays, strict=True)]
    returned = [(f"gradient of {name}", g) for name, g in zip(subject.arguments, gradients, strict=True)]
    pairs = [(a, b) for a in returned for b in [("dy", dy), ("y", y), *owned]] + list(combinations(returned, 2))
    if not returns_view:
        pairs += [(("y", y), b) for b in owned]
    for (name, a), (other, b) in pairs:
        if isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and np.shares_memory(a, b):
            return _failed("no aliases", name.split()[-1], f"{name} shares memory with {other}")
    return _passed("no aliases")


def _memory_layout(subject: Subject) -> Row:
    """Arguments and dy with unusual strides give what contiguous ones give."""
    y, pull = subject.evaluate(subject.point())
    dy = draw_like(subject.rng("layout"), y)
    expected = [y.copy(), *(gradient.copy() for gradient in pull(dy))]
    error, worst, note = 0.0, "all", ""
    for layout, arrange in LAYOUTS.items():
        value, backward = subject.function(*(_arranged(array, arrange) for array in subject.point()))
        results = [np.asarray(value), *as_tuple(backward(as_cotangent(_arranged(dy, arrange))))]
        for name, result, reference in zip(("y", *subject.arguments), results, expected, strict=True):
            difference = relative_difference(result, reference)
            if not difference <= error:
                error, worst, note = difference, name, f"{layout} arrays give another result"
    return _compared("memory layout", worst, error, note)


def _arranged(array: Array, layout: Layout) -> Array:
    """`array` in another layout; a single number has only one."""
    return layout(array) if array.ndim else array


def _every_other(array: Array) -> Array:
    gaps = np.full((*array.shape[:-1], 2 * array.shape[-1]), np.nan)  # a gap that is read shows
    gaps[..., ::2] = array
    return gaps[..., ::2]


LAYOUTS: dict[str, Layout] = {
    "Fortran-ordered": np.asfortranarray,
    "negatively strided": lambda array: np.flip(np.flip(array).copy()),
    "every-other-entry": _every_other,
}


def _compared(method: str, argument: str, error: float, note: str) -> Row:
    passes = error <= TOLERANCE
    row: dict[str, Any] = {} if passes else {"note": note}
    return measured("all" if passes else argument, "hygiene", method, error, TOLERANCE, **row)


def _passed(method: str) -> Row:
    return Row("all", "hygiene", method, 0.0, 0.0, "pass")


def _failed(method: str, argument: str, note: str) -> Row:
    return Row(argument, "hygiene", method, math.inf, 0.0, "fail", note=note)
