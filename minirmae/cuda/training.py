"""The training loop with a captured step: what `minirmae.training.loop` yields, taken on a card.

The host's model and optimiser follow at the steps where somebody looks at
them. After a step has been yielded, they are up to date exactly if
`optimizer.steps` is its number.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import numpy as np

from minirmae.backend import Array, asnumpy
from minirmae.cuda.device import CudaDevice, Device
from minirmae.cuda.network import NotCapturable
from minirmae.cuda.step import CapturedTraining, rate_at
from minirmae.data import Dataset, DeviceDataset
from minirmae.layer import Layer
from minirmae.objectives import Objective, reconstruction
from minirmae.optimizers import Adam, Optimizer
from minirmae.training.loop import Step, training_steps
from minirmae.training.step import NonFiniteLoss
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
) -> Iterator[Step]:
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
    require_int("captured_steps", "steps", steps, 0)
    try:
        training = _captured(model, dataset, optimizer, batch_size, seed, objective, precision, device)
    except NotCapturable as error:
        warnings.warn(
            f"the training step cannot be captured ({error}); it runs op by op, which is slower",
            RuntimeWarning,
            stacklevel=2,
        )
        yield from training_steps(
            model, dataset, optimizer, steps=steps, batch_size=batch_size, seed=seed, objective=objective, rng=rng
        )
        return
    for (step,) in steps_together(training, steps, until=until, interrupted=interrupted):
        yield step


def steps_together(
    training: CapturedTraining,
    steps: int,
    *,
    until: Callable[[int], int] | None = None,
    interrupted: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[Step, ...]]:
    """Take `steps` more steps of all the models in `training`, and yield each as a tuple of one `Step` a model.

    `until` and `interrupted` as in `captured_steps`, and so are the errors;
    the models and optimisers that follow are those of `training`.
    """
    end, per_epoch, count = training.steps + steps, training.plan.steps_per_epoch, training.plan.images.shape[0]
    while training.steps < end:
        first = training.steps
        stop = end if until is None else min(end, max(until(first), first + 1))
        try:
            losses = training.run(min(stop - first, training.room))
        except NonFiniteLoss:
            training.store()
            raise
        if training.steps == stop or interrupted():
            training.store()
        for number, row in enumerate(losses.tolist(), first + 1):
            epoch, place = divmod(number - 1, per_epoch)
            images = min(count - place * training.plan.batch_size, training.plan.batch_size)
            yield tuple(
                Step(number, epoch, place + 1 == per_epoch, images, loss, rate_at(optimizer, number - 1))
                for loss, optimizer in zip(row, training.optimizers, strict=True)
            )


def resident(dataset: Dataset) -> Array:
    """Return all images of `dataset` as one host array: bytes where it has bytes, else float32."""
    stored = dataset if isinstance(dataset, DeviceDataset) else DeviceDataset(dataset, "cpu")
    images = asnumpy(stored.images)
    return images if images.dtype == np.uint8 else images.astype(np.float32, copy=False)


def _captured(
    model: Layer,
    dataset: Dataset,
    optimizer: Optimizer,
    batch_size: int,
    seed: int,
    objective: Objective,
    precision: str,
    device: Device | None,
) -> CapturedTraining:
    if objective is not reconstruction:
        raise NotCapturable("only the plain reconstruction objective has a captured step")
    if not isinstance(optimizer, Adam):
        raise NotCapturable(f"the captured step has Adam and AdamW, the optimiser is {type(optimizer).__name__}")
    if device is None:
        device = CudaDevice("cuda" if model.device == "cpu" else model.device, precision)
    images = resident(dataset)
    return CapturedTraining([model], [optimizer], images, batch_size=batch_size, seeds=[seed], device=device)
