"""The training loop with a captured step: what `minirmae.loop` yields, taken on a card.

The host's models and optimisers follow at the steps where somebody looks at
them. After a step has been yielded, they are up to date exactly if
`optimizer.steps` is its number.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Generator, Sequence
from typing import Any

import numpy as np

from minirmae.arrays import Array
from minirmae.data import Dataset
from minirmae.engines.cuda.device import Device
from minirmae.engines.cuda.network import NotCapturable
from minirmae.engines.cuda.replicas import Replicas
from minirmae.engines.cuda.step import rate_at
from minirmae.layers import Layer
from minirmae.loop import Step, training_steps
from minirmae.objectives import Objective, reconstruction
from minirmae.optimizers import Optimizer
from minirmae.step import NonFiniteLoss
from minirmae.validation import require_int


def captured_steps(
    model: Layer,
    dataset: Dataset,
    optimizer: Optimizer,
    *,
    steps: int,
    batch_size: int = 32,
    seed: int = 0,
    objective: Objective = reconstruction,
    rng: np.random.Generator | None = None,
    precision: str = "tf32",
    device: Device | None = None,
    until: Callable[[int], int] | None = None,
    interrupted: Callable[[], bool] = lambda: False,
) -> Generator[Step]:
    """Train `model` for `steps` more steps on a card, and yield each step once its loss has been read back.

    Args:
        model, dataset, optimizer, steps, batch_size, seed, objective, rng: as in `training.training_steps`.
        precision: "tf32" or "float32", see `cuda.sources.PRECISIONS`.
        device: to train on; None is the card that the model is on, or the first one.
        until: for a number of steps taken, the next number at which the host needs the model; None is the end.
        interrupted: whether the host wants the model as soon as possible; asked every few hundred steps.

    Where there is no captured step for the model, objective or optimiser, one
    warning says why and the ordinary loop trains it where it is.

    Raises:
        NonFiniteLoss: with model and optimiser as they were before the step that diverged.
        DeviceError: no such device, or its memory does not suffice.
        ValueError or TypeError: the images do not fit the model, or a number is out of range.
    """
    options: dict[str, Any] = {"batch_size": batch_size, "objective": objective}
    make_device = None if device is None else lambda: device
    try:
        replicas = Replicas(
            [model], [dataset], [optimizer], seeds=[seed], precision=precision, make_device=make_device, **options
        )
    except NotCapturable as error:
        warn_op_by_op(error)
        yield from training_steps(model, dataset, optimizer, steps=steps, seed=seed, rng=rng, **options)
        return
    for (step,) in steps_together(replicas, steps, until=until, interrupted=interrupted):
        yield step


def steps_together(
    replicas: Replicas,
    steps: int,
    *,
    until: Callable[[int], int] | None = None,
    interrupted: Callable[[], bool] = lambda: False,
) -> Generator[tuple[Step, ...]]:
    """Take `steps` more steps of all the models, and yield each as a tuple of one `Step` a model.

    `until` and `interrupted` as in `captured_steps`, and so are the errors;
    the models and optimisers that follow are those of `replicas`.
    """
    require_int("captured steps", "steps", steps, 0)
    plan = replicas.plan
    end, per_epoch, count = replicas.steps + steps, plan.steps_per_epoch, plan.images.shape[0]
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
        for number, row in enumerate(losses.tolist(), first + 1):
            epoch, place = divmod(number - 1, per_epoch)
            images = min(count - place * plan.batch_size, plan.batch_size)
            yield tuple(
                Step(number, epoch, place + 1 == per_epoch, images, loss, rate_at(optimizer, number - 1), seconds)
                for loss, optimizer in zip(row, replicas.optimizers, strict=True)
            )


def fit_replicas(replicas: Replicas, steps: int) -> Array:
    """Take `steps` more steps of all the models, bring them home, and return the losses, float32 (steps, models).

    Raises what `steps_together` raises.
    """
    rows: Sequence[Any] = [[step.loss for step in row] for row in steps_together(replicas, steps)]
    return np.array(rows, dtype=np.float32).reshape(steps, len(replicas.optimizers))


def warn_op_by_op(reason: NotCapturable) -> None:
    """Warn that there is no captured step, and why."""
    warnings.warn(
        f"the training step cannot be captured ({reason}); it runs op by op, which is slower",
        RuntimeWarning,
        stacklevel=3,
    )
