"""Captured steps in chunks, and the host's models, which follow them.

The models and optimisers of the host are brought up to date at the steps where
somebody needs them. After a chunk they are current exactly if `optimizer.steps`
is the number of its last step.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Generator

import numpy as np

from minirmae.arrays import Array
from minirmae.engines.cuda.network import NotCapturable
from minirmae.engines.cuda.replicas import Replicas
from minirmae.step import NonFiniteLoss
from minirmae.validation import require_int


def steps_together(
    replicas: Replicas,
    steps: int,
    *,
    until: Callable[[int], int] | None = None,
    interrupted: Callable[[], bool] = lambda: False,
) -> Generator[tuple[int, Array, float]]:
    """Take `steps` more steps of all the models, and yield them in chunks, each once its losses have been read back.

    Args:
        replicas: whose models and optimisers follow.
        steps: how many to take.
        until: for a number of steps taken, the next number at which the host needs the models; None is the end.
        interrupted: whether the host wants the models as soon as possible; asked every few hundred steps.

    Yields:
        (first, losses, seconds): steps taken before the chunk, losses float32 (steps of the chunk, models), each before
        its update, and wall seconds per step.

    Raises NonFiniteLoss, with models and optimisers as they were before the step that diverged.
    """
    require_int("captured steps", "steps", steps, 0)
    end = replicas.steps + steps
    while replicas.steps < end:
        began, first = time.perf_counter(), replicas.steps
        stop = end if until is None else min(end, max(until(first), first + 1))
        try:
            losses = replicas.run(stop - first)
        except NonFiniteLoss:
            replicas.store()
            raise
        if replicas.steps == stop or interrupted():
            replicas.store()
        seconds = (time.perf_counter() - began) / len(losses)
        yield first, losses, seconds


def fit_replicas(replicas: Replicas, steps: int) -> Array:
    """Take `steps` more steps of all the models, bring them home, and return the losses, float32 (steps, models).

    Raises what `steps_together` raises.
    """
    chunks = [losses for _, losses, _ in steps_together(replicas, steps)]
    return np.concatenate([np.empty((0, len(replicas.optimizers)), np.float32), *chunks])


def warn_op_by_op(reason: NotCapturable) -> None:
    """Warn that there is no captured step, and why."""
    warnings.warn(
        f"the training step cannot be captured ({reason}); it runs op by op, which is slower",
        RuntimeWarning,
        stacklevel=3,
    )
