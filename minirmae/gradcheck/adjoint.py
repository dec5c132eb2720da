"""Rung 1, the adjoint test: exact identities of linear maps.

A linear map A and its adjoint A' satisfy `<A u, v> = <u, A' v>` for all u and
v, and no step size or Taylor series comes between: only rounding. Two things
here are linear. Every backward is, in its cotangent. And some functions are,
in an argument; their backward is then their adjoint, and the identity is the
whole gradient check (Claerbout's dot-product test).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from minirmae.arrays import Array
from minirmae.gradcheck.report import Report, Row, guarded, measured
from minirmae.gradcheck.subject import Subject, draw_like, inner, norm

TOLERANCE = 1e-13
"""Largest `|<A u, v> - <u, A' v>| / (|A u| |v|)` that passes, float64."""


def linear_backward(subject: Subject) -> Iterator[Row]:
    """For each argument: `B(a v + b w) = a B(v) + b B(w)` for the backward B, relative to the right side's norms."""
    rng = subject.rng("linear backward")
    y, pull = subject.evaluate(subject.point())
    v, w = draw_like(rng, y), draw_like(rng, y)
    a, b = -0.75, 1.5  # not summing to 1, so that an affine backward is caught too
    together, alone_v, alone_w = pull(a * v + b * w), pull(v), pull(w)
    for name, both, left, right in zip(subject.arguments, together, alone_v, alone_w, strict=True):
        difference = norm([both - a * left - b * right])
        scale = abs(a) * norm([left]) + abs(b) * norm([right])
        error = difference / scale if difference else 0.0
        yield measured(name, "adjoint", "backward is linear", error, TOLERANCE)


def linear_arguments(subject: Subject, names: Iterable[str]) -> Iterator[Row]:
    """For each of `names`, an argument in which the function is linear or affine: the two properties of an adjoint."""
    rng = subject.rng("linear arguments")
    for name in names:
        k = subject.arguments.index(name)
        u, w = draw_like(rng, subject.arrays[k]), draw_like(rng, subject.arrays[k])
        y, pull = subject.evaluate(subject.point())
        v = draw_like(rng, y)
        adjoint = pull(v)[k]
        at_zero = _value(subject, k, np.zeros_like(u))
        Au, Aw = _value(subject, k, u) - at_zero, _value(subject, k, w) - at_zero
        together = _value(subject, k, 2 * u - w) - at_zero
        # An affine part is subtracted, so its rounding belongs to the scale.
        scale = 2 * norm([Au]) + norm([Aw]) + norm([at_zero])
        difference = norm([together - 2 * Au + Aw])
        yield measured(name, "adjoint", "value is linear", difference / scale if difference else 0.0, TOLERANCE)
        yield _identity(name, "dot test", Au, v, u, adjoint, norm([at_zero]))


def dot_test(
    forward: Callable[[Array], Array], adjoint: Callable[[Array], Array], x: Array, *, seed: int = 0, name: str = "map"
) -> Report:
    """Check that `adjoint` is the adjoint of the linear map `forward`.

    Args:
        forward: a linear map of float64 arrays shaped like `x`.
        adjoint: the map claimed to be its adjoint, from values of `forward` to arrays shaped like `x`.
        x: an array whose shape the map takes; its values do not matter.
        seed: of the random u and v.
        name: heads the report.

    Returns:
        A report with one row, `|<A u, v> - <u, A' v>| / (|A u| |v|)` against 1e-13.

    >>> A = np.arange(6.0).reshape(2, 3)
    >>> dot_test(lambda u: A @ u, lambda v: A.T @ v, np.zeros(3)).passed
    True
    """

    def rows() -> Iterator[Row]:
        rng = np.random.default_rng(seed)
        u = draw_like(rng, np.asarray(x))
        Au = np.asarray(forward(u.copy()))
        v = draw_like(rng, Au)
        yield _identity("x", "dot test", Au, v, u, np.asarray(adjoint(v.copy())), 0.0)

    return Report(name, seed, tuple(guarded("adjoint", "dot test", rows)))


def _value(subject: Subject, k: int, array: Array) -> Array:
    """The function's value with argument `k` replaced."""
    arrays = subject.point()
    arrays[k] = array.copy()
    return subject.evaluate(arrays)[0].copy()


def _identity(name: str, method: str, Au: Array, v: Array, u: Array, adjoint: Array, floor: float) -> Row:
    if adjoint.shape != u.shape:
        note = f"the adjoint has shape {adjoint.shape}, expected {u.shape}"
        return Row(name, "adjoint", method, np.inf, TOLERANCE, "fail", note=note)
    numeric, analytic = inner([Au], [v]), inner([u], [adjoint])
    scale = max(norm([Au]) * norm([v]), norm([u]) * norm([adjoint]), floor * norm([v]))
    difference = abs(numeric - analytic)
    error = difference / scale if difference else 0.0
    return measured(name, "adjoint", method, error, TOLERANCE, analytic=analytic, numeric=numeric)
