"""An adaptive Runge-Kutta integrator, accurate enough to check closed forms against.

The method is Dormand and Prince's pair of orders 5 and 4 (1980): the fifth
order solution is kept, the difference of the two is the error estimate, and
the last stage of a step is the first of the next. The step size follows a PI
controller (Gustafsson 1991), and steps land exactly on the output times, so
that nothing is interpolated.

The equations here are gradient flows, and their stiffness is the largest
curvature of the loss, which is moderate: an explicit method is enough. How
far to trust a run is measured in two ways: `certified` repeats it at a
hundredth of the tolerance, and `dynamics.gradient_flow` checks the energy identity.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minirmae.arrays import Array, array_module, asnumpy
from minirmae.validation import require_float, require_ndim

Field = Callable[[float, Array], Array]
"""Right-hand side of y' = field(t, y)."""

RTOL, ATOL = 1e-11, 1e-14

# Nodes, stage weights and error weights (fifth minus fourth order) of Dormand and Prince 1980.
_C = (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0)
_A = (
    (),
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
_E = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)


class IntegrationError(ValueError):
    """The equation could not be integrated to the last time; the message says where and why."""


@dataclass(frozen=True)
class Solution:
    """A solution at the output times.

    Attributes:
        times: (T,).
        states: (T, p), the first the initial one.
        steps, rejected: numbers of accepted and repeated steps.
    """

    times: Array
    states: Array
    steps: int
    rejected: int


def integrate(
    field: Field, start: Array, times: Array, *, rtol: float = RTOL, atol: float = ATOL, max_steps: int = 1_000_000
) -> Solution:
    """Integrate y' = field(t, y) from `start` at `times[0]`.

    Args:
        field: takes a time and a state (p,), returns the derivative (p,).
        start: (p,), floats.
        times: (T,), increasing; the solution is returned at each.
        rtol, atol: a step is accepted if the root mean square over the entries of
            `error / (atol + rtol |y|)` is at most 1.
        max_steps: largest number of steps, accepted and rejected.

    Raises:
        TypeError: `start` does not hold floats.
        ValueError: shapes or tolerances are not valid, or times do not increase.
        IntegrationError: the step size fell to the rounding error (the solution blows
            up, or the field is not smooth), or `max_steps` was reached.

    >>> solution = integrate(lambda t, y: -y, np.array([1.0]), np.array([0.0, 1.0]))
    >>> abs(solution.states[-1, 0] - np.exp(-1)) < 1e-11
    np.True_
    """
    times = _valid_times(times)
    require_float("integrate", start=start)
    require_ndim("integrate", "start", start, 1, "(entries,)")
    if not (rtol > 0 and atol > 0):
        raise ValueError(f"integrate: rtol and atol must be positive, got {rtol} and {atol}")
    xp = array_module(start)
    stages = xp.empty((7, start.size), dtype=start.dtype)
    weights = [xp.asarray(row, dtype=start.dtype) for row in _A]
    error_weights = xp.asarray(_E, dtype=start.dtype)
    states = xp.empty((len(times), start.size), dtype=start.dtype)
    states[0] = y = start.copy()
    t = float(times[0])
    # A solution that blows up is reported below, once, not by a warning at every stage.
    with np.errstate(over="ignore", invalid="ignore"):
        stages[0] = field(t, y)
        h = _first_step(field, t, y, stages[0], rtol, atol, xp) if len(times) > 1 else 0.0
        steps = rejected = 0
        previous_error = 1e-4
        for i in range(1, len(times)):
            target = float(times[i])
            while t < target:
                clipped = h >= target - t
                step = target - t if clipped else h
                for j in range(1, 7):
                    point = y + step * (weights[j] @ stages[:j])
                    stages[j] = field(t + _C[j] * step, point)
                # The weights of the seventh stage are those of the solution: `point` is the new state.
                error = _norm(step * (error_weights @ stages), rtol, atol, xp.maximum(abs(y), abs(point)), xp)
                if error <= 1:
                    t, y = (target if clipped else t + step), point
                    stages[0] = stages[6]
                    steps += 1
                    error = max(error, 1e-10)
                    grown = step * min(5.0, max(0.2, 0.9 * error**-0.14 * previous_error**0.08))
                    if not clipped:
                        h, previous_error = grown, max(error, 1e-4)
                    else:
                        # A step cut short by an output time says nothing against the longer one.
                        h = max(h, grown)
                else:
                    rejected += 1
                    h = step * (max(0.2, 0.9 * error**-0.2) if error < np.inf else 0.2)
                    if h <= 16 * np.finfo(float).eps * max(abs(t), np.finfo(float).tiny):
                        raise IntegrationError(
                            f"integrate: the step size fell to {h:.1e} at t = {t:.6g} after {steps} steps; "
                            "the solution blows up or the field is not smooth there"
                        )
                if steps + rejected >= max_steps:
                    raise IntegrationError(
                        f"integrate: {max_steps} steps reached only t = {t:.6g} of {times[-1]:.6g}; "
                        "the problem is stiff: stop earlier, loosen rtol, or allow more with max_steps"
                    )
            states[i] = y
    return Solution(times, states, steps, rejected)


def certified(
    field: Field, start: Array, times: Array, *, rtol: float = RTOL, atol: float = ATOL
) -> tuple[Solution, float]:
    """Integrate, and again at a hundredth of both tolerances.

    Returns the more accurate solution and the largest difference of the two,
    an estimate of the *coarser* run's error. Raises what `integrate` raises.
    """
    coarse = integrate(field, start, times, rtol=rtol, atol=atol)
    fine = integrate(field, start, times, rtol=rtol / 100, atol=atol / 100)
    return fine, float(asnumpy(abs(coarse.states - fine.states).max()))


def _norm(error: Array, rtol: float, atol: float, size: Array, xp: Any) -> float:
    """Root mean square of `error` in units of the tolerance; infinite if it is not a number."""
    scaled = error / (atol + rtol * size)
    norm = float(asnumpy(xp.sqrt((scaled * scaled).mean())))
    return norm if norm == norm else np.inf


def _first_step(field: Field, t: float, y: Array, slope: Array, rtol: float, atol: float, xp: Any) -> float:
    """A first step from the sizes of y' and y'' (Hairer, Norsett, Wanner 1993, section II.4)."""
    size, speed = _norm(y, rtol, atol, abs(y), xp), _norm(slope, rtol, atol, abs(y), xp)
    if not speed < np.inf:
        raise IntegrationError(f"integrate: the field is not finite at the start, t = {t:.6g}")
    trial = 0.01 * size / speed if min(size, speed) > 1e-5 else 1e-6
    bend = _norm(field(t + trial, y + trial * slope) - slope, rtol, atol, abs(y), xp) / trial
    largest = max(speed, bend)
    return min(100 * trial, (0.01 / largest) ** 0.2 if 1e-15 < largest < np.inf else trial)


def _valid_times(times: Array) -> Array:
    """The times as float64, checked."""
    times = np.asarray(times, dtype=float)
    require_ndim("integrate", "times", times, 1, "(times,)")
    if times.size == 0 or not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        raise ValueError("integrate: times must be finite, increasing and not empty; the first is the start's")
    return times
