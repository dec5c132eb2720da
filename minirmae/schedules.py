"""Learning-rate schedules: functions from the step, counted from 0, to the learning rate."""

from __future__ import annotations

import math

from minirmae.optimizers import Schedule
from minirmae.validation import require_positive_int


def constant(rate: float) -> Schedule:
    """The same rate at every step."""
    return lambda step: rate


def step_decay(rate: float, *, every: int, factor: float) -> Schedule:
    """Multiply the rate by `factor` after each `every` steps.

    >>> schedule = step_decay(1.0, every=10, factor=0.5)
    >>> schedule(0), schedule(9), schedule(10), schedule(25)
    (1.0, 1.0, 0.5, 0.25)
    """
    require_positive_int("step_decay", every=every)
    return lambda step: rate * factor ** (step // every)


def cosine(rate: float, *, steps: int, warmup: int = 0, final: float = 0.0) -> Schedule:
    """Linear warm-up to `rate`, then half a cosine down to `final` (Loshchilov and Hutter 2017, equation 5).

    Args:
        rate: the largest rate, reached at step `warmup`.
        steps: total number of steps; from there on the rate is `final`.
        warmup: steps of the linear rise, whose first step already moves.
        final: the last rate.

    Raises:
        ValueError: `warmup` is negative or not less than `steps`.

    >>> schedule = cosine(1.0, steps=10, warmup=2)
    >>> [round(schedule(t), 3) for t in (0, 1, 2, 6, 10)]
    [0.333, 0.667, 1.0, 0.5, 0.0]
    """
    require_positive_int("cosine", steps=steps)
    if not 0 <= warmup < steps:
        raise ValueError(f"cosine: warmup must be at least 0 and less than the {steps} steps, got {warmup!r}")

    def schedule(step: int) -> float:
        if step < warmup:
            return rate * (step + 1) / (warmup + 1)
        progress = min((step - warmup) / (steps - warmup), 1.0)
        return final + (rate - final) * (1 + math.cos(math.pi * progress)) / 2

    return schedule
