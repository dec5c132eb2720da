"""Rung 2, the complex step: a derivative without subtraction.

For a real-analytic function and a tiny h, `f(x + i h u) = f(x) + i h J u + O(h^2)`,
so the imaginary part divided by h is the directional derivative, and as nothing
is subtracted h may be so small that the remainder vanishes below rounding
(Squire and Trapp 1998). The result is as exact as the function itself.

Not every function can be asked: one that takes `abs`, compares, or casts to
real loses the imaginary part. That raises `NotComplexSafe` here.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from minirmae.arrays import Array
from minirmae.gradcheck.subject import Direction, Subject

STEP = 1e-20
"""h; its square is below the rounding of anything that is not itself that small."""
TOLERANCE = 1e-12
"""Largest relative error that passes; a right gradient is usually below 1e-15."""

Result = TypeVar("Result")
Evaluated = tuple[Array, Callable[[Array], tuple[Array, ...]]]


class NotComplexSafe(Exception):
    """The function cannot be differentiated by a complex step; the message says how it showed."""


def stepped(subject: Subject, u: Direction) -> list[Array]:
    """The point `x + i h u` in complex128."""
    arrays = subject.point(np.complex128)
    for array, direction in zip(arrays, u, strict=True):
        if direction is not None:
            array.imag = STEP * direction
    return arrays


def evaluate(subject: Subject, u: Direction) -> Evaluated:
    """Value and backward at `x + i h u`.

    Raises NotComplexSafe if the function refuses complex numbers, drops an
    imaginary part with a warning, or gives a real value.
    """
    y, pull = _strictly(lambda: subject.evaluate(stepped(subject, u)))
    return _require_complex("value", y), pull


def jacobian_product(subject: Subject, u: Direction) -> Array:
    """`J u`, shaped like the function's value; raises NotComplexSafe."""
    return np.asarray(evaluate(subject, u)[0].imag / STEP)


def gradient_product(subject: Subject, u: Direction, v: Array) -> list[Array]:
    """`H u`, where H is the Hessian of `<v, f>`: the derivative of the gradient, one array for each argument.

    Raises NotComplexSafe, also where only the backward is at fault.
    """
    _, pull = evaluate(subject, u)
    gradients = _strictly(lambda: pull(v.astype(np.complex128)))
    return [np.asarray(_require_complex("gradient", np.asarray(g)).imag / STEP) for g in gradients]


def _strictly(call: Callable[[], Result]) -> Result:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            return call()
    except Exception as error:  # foreign code may refuse complex numbers in any way it likes
        raise NotComplexSafe(f"complex input raised {type(error).__name__}: {error}") from error


def _require_complex(what: str, array: Array) -> Array:
    if not np.iscomplexobj(array):
        raise NotComplexSafe(f"complex input gave a {what} of dtype {array.dtype}")
    return array
