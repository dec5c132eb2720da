"""Rung 4, second order: the gradient is itself the derivative of something.

If g is the gradient of a scalar function, its Jacobian is a Hessian and hence
symmetric: `<w, H u> = <u, H w>`. Differentiating the gradient along two random
directions checks that, with the very backward that is used for first order run
on complex numbers; so the op may be used under a second derivative as well.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minirmae.arrays import Array
from minirmae.gradcheck import complex_step, richardson
from minirmae.gradcheck.derivative import Measurement, judge
from minirmae.gradcheck.report import Row, Verdict
from minirmae.gradcheck.subject import Direction, Subject, draw_like, inner, norm


def rows(subject: Subject) -> Iterator[Row]:
    """One row: the symmetry of the Hessian of `<v, f>` over all arguments jointly.

    The difference is relative to `|H u|`, the typical size of `<w, H u>` over
    random w, to `|H w|` or to the gradient's `|g|`, whichever is largest, so
    that a Hessian of pure rounding passes.
    """
    rng = subject.rng("second order")
    u, w = subject.direction(rng), subject.direction(rng)
    y, pull = subject.evaluate(subject.point())
    v = draw_like(rng, y)
    scale = norm(pull(v))
    del pull  # of a large model it holds a copy
    try:
        Hu, Hw = complex_step.gradient_product(subject, u, v), complex_step.gradient_product(subject, w, v)
    except complex_step.NotComplexSafe as reason:
        yield _extrapolated(subject, u, w, v, scale, str(reason))
        return
    along_u, along_w = inner(w, Hu), inner(u, Hw)
    scale = max(scale, norm(Hu), norm(Hw))
    error, verdict = judge(along_u, Measurement(along_w), scale, complex_step.TOLERANCE)
    yield _row(subject, "complex step", complex_step.TOLERANCE, error, verdict, along_u, along_w, "")


def _extrapolated(subject: Subject, u: Direction, w: Direction, v: Array, scale: float, note: str) -> Row:
    """The same symmetry with extrapolated differences of the gradient."""

    def gradient_along(direction: Direction, against: Direction, t: float) -> float:
        arrays = [np.asarray(a + t * d) for a, d in zip(subject.point(), direction, strict=True) if d is not None]
        return inner(against, subject.evaluate(arrays)[1](v))

    along_u = richardson.derivative(lambda t: gradient_along(u, w, t), scale)
    along_w = richardson.derivative(lambda t: gradient_along(w, u, t), scale)
    scale = max(scale, abs(along_u.value), abs(along_w.value))
    measured = Measurement(along_w.value, along_u.error + along_w.error)
    error, verdict = judge(along_u.value, measured, scale, richardson.TOLERANCE)
    if verdict == "inconclusive":
        note = f"the measured derivative is only known to within {measured.error:.1e}. {note}"
    return _row(subject, "Richardson", richardson.TOLERANCE, error, verdict, along_u.value, along_w.value, note)


def _row(
    subject: Subject, method: str, tolerance: float, error: float, verdict: Verdict, a: float, b: float, note: str
) -> Row:
    return Row(
        subject.all_arguments, "second order", method, error, tolerance, verdict, analytic=a, numeric=b, note=note
    )
