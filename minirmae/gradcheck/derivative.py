"""Rungs 2 and 3 together: measure the derivative, judge the gradient, name the worst entry.

The complex step is used where the function allows it, and confirmed by one
central difference, since a function may lose part of an imaginary part without
a sign of it (`x * x.real`). Where it does not allow it, extrapolated
differences take over. A gradient that fails is compared entry by entry.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from minirmae.arrays import Array
from minirmae.gradcheck import complex_step, richardson
from minirmae.gradcheck.report import Row, Verdict
from minirmae.gradcheck.subject import Direction, Subject, draw_like, inner, norm

CONFIRMING_STEPS = (1e-9, 1e-7, 1e-11)
CONFIRMING_TOLERANCE = 1e-4
"""What is looked for is a lost part of the derivative, not digits; three steps, against kinks and rounding."""
ENTRIES = 64
"""A failing argument with more entries is halved until this many are left, then every one is compared."""


@dataclass(frozen=True)
class Measurement:
    """`<v, J u>` with its error bar, and `|J u|`, its typical size over random v, where that is known."""

    value: float
    error: float = 0.0
    scale: float = 0.0


Measure = Callable[[Direction], Measurement]


@dataclass(frozen=True)
class Method:
    """How derivatives of one subject are measured, with what tolerance, and why so."""

    name: str
    tolerance: float
    note: str
    measure: Measure


def rows(subject: Subject, per_argument: bool) -> Iterator[Row]:
    """Compare the gradient with measured derivatives along random directions.

    One row moves all arguments jointly; if it does not pass, or if
    `per_argument`, one row for each argument follows, with the worst entry
    where that fails.
    """
    rng = subject.rng("derivative")
    u = subject.direction(rng)
    y, pull = subject.evaluate(subject.point())
    v = draw_like(rng, y)
    gradient = pull(v)
    del pull  # of a large model it holds a copy
    method, measured = choose(subject, u, v)
    joint = _row(subject.all_arguments, method, gradient, u, measured)
    if len(subject.arguments) == 1:
        yield _with_worst_entry(joint, method, gradient, u, 0)
        return
    yield joint
    if joint.verdict == "pass" and not per_argument:
        return
    for k, name in enumerate(subject.arguments):
        alone = only(u, k)
        row = _row(name, method, gradient, alone, method.measure(alone))
        yield _with_worst_entry(row, method, gradient, u, k)


def choose(subject: Subject, u: Direction, v: Array) -> tuple[Method, Measurement]:
    """The complex step if the function is complex-safe along `u`, else extrapolated differences; and its result."""

    def step(w: Direction) -> Measurement:
        Jw = complex_step.jacobian_product(subject, w)
        return Measurement(inner([v], [Jw]), 0.0, norm([Jw]))

    def extrapolate(w: Direction) -> Measurement:
        magnitude = norm([v]) * norm([subject.evaluate(subject.point())[0]])
        estimate = richardson.derivative(lambda t: _along(subject, w, v, t), magnitude)
        return Measurement(estimate.value, estimate.error)

    try:
        stepped = step(u)
    except complex_step.NotComplexSafe as reason:
        return Method("Richardson", richardson.TOLERANCE, str(reason), extrapolate), extrapolate(u)
    exact = Method("complex step", complex_step.TOLERANCE, "", step)
    bound = CONFIRMING_TOLERANCE * stepped.scale
    for h in CONFIRMING_STEPS:
        central = (_along(subject, u, v, h) - _along(subject, u, v, -h)) / (2 * h)
        if abs(central - stepped.value) <= bound:
            return exact, stepped
    measured = extrapolate(u)
    if abs(measured.value - stepped.value) + measured.error <= bound:
        return exact, stepped
    note = (
        f"the complex step gives {stepped.value:.6g}, real differences {measured.value:.6g}: either the function "
        "is not complex-safe (abs, conj, .real, comparisons) or it has a kink exactly here"
    )
    return Method("Richardson", richardson.TOLERANCE, note, extrapolate), measured


def judge(analytic: float, measured: Measurement, scale: float, tolerance: float) -> tuple[float, Verdict]:
    """The relative error, and what follows from it.

    It passes only if the difference *and* the error bar fit into the
    tolerance, and fails only if no error of ten times the bar could explain it.
    """
    if not math.isfinite(analytic):
        return math.inf, "fail"
    if not math.isfinite(measured.value) or not math.isfinite(measured.error):
        return math.inf, "inconclusive"
    difference = abs(analytic - measured.value)
    error = difference / scale if difference else 0.0
    if difference + measured.error <= tolerance * scale:
        return error, "pass"
    return error, "fail" if difference - 10 * measured.error > tolerance * scale else "inconclusive"


def only(u: Direction, k: int) -> list[Array | None]:
    """The direction `u` with every argument but the k-th at rest."""
    return [direction if i == k else None for i, direction in enumerate(u)]


def _row(name: str, method: Method, gradient: Sequence[Array], u: Direction, measured: Measurement) -> Row:
    analytic = inner(gradient, u)
    moved = [g for g, direction in zip(gradient, u, strict=True) if direction is not None]
    # |g| is the typical size of <g, u> over random u: a u that happens to be orthogonal to g must not fail.
    scale = max(abs(analytic), abs(measured.value), measured.scale, norm(moved))
    error, verdict = judge(analytic, measured, scale, method.tolerance)
    note = method.note
    if verdict == "inconclusive":
        note = f"the measured derivative is only known to within {measured.error:.1e}. {note}".strip()
    numbers = None, analytic, measured.value
    return Row(name, "derivative", method.name, error, method.tolerance, verdict, *numbers, note)


def _with_worst_entry(row: Row, method: Method, gradient: Sequence[Array], u: Sequence[Array], k: int) -> Row:
    """`row`, if it fails with the entry of argument k at which gradient and measurement differ most."""
    if row.verdict != "fail":
        return row
    flat, shape = gradient[k].ravel(), u[k].shape

    def disagreement(weights: Array, start: int, stop: int) -> tuple[float, float, float]:
        moved = np.zeros(flat.size)
        moved[start:stop] = weights
        numeric = method.measure(only([moved.reshape(shape)] * len(u), k)).value
        analytic = float(np.dot(flat[start:stop], weights))
        return abs(analytic - numeric), analytic, numeric

    start, stop, weights = 0, flat.size, u[k].ravel()
    while stop - start > ENTRIES:
        middle = (start + stop) // 2
        halves = [(start, middle), (middle, stop)]
        start, stop = max(halves, key=lambda half: disagreement(weights[slice(*half)], *half)[0])
    entries = [(*disagreement(np.ones(1), i, i + 1), i) for i in range(start, stop)]
    _, analytic, numeric, worst = max(entries, key=lambda entry: entry[0])
    index = tuple(int(i) for i in np.unravel_index(worst, shape))
    return replace(row, index=index, analytic=analytic, numeric=numeric)


def _along(subject: Subject, u: Direction, v: Array, t: float) -> float:
    """`<v, f(x + t u)>`."""
    arrays = [a if d is None else np.asarray(a + t * d) for a, d in zip(subject.point(), u, strict=True)]
    return inner([v], [subject.evaluate(arrays)[0]])
