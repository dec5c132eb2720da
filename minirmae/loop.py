"""The training loop, and nothing but the loop: batch, loss, backward, update.

It knows no files and no configuration, so it trains any model on any data set
with any objective. Where it stands is the optimiser's count of steps: the
order of the images is a function of seed and step, so a loop that starts with
a restored optimiser goes on where the other one stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minirmae.arrays import Array
from minirmae.data import Dataset, batches, steps_per_epoch, to_device
from minirmae.engine import training_step
from minirmae.layers import Layer
from minirmae.objectives import Objective, reconstruction
from minirmae.optimizers import Optimizer
from minirmae.validation import require_int

_NOISE_STREAM = 6


@dataclass(frozen=True)
class Step:
    """One step that was taken.

    Attributes:
        number: counted from 1 over the whole training.
        epoch: counted from 0.
        ends_epoch: whether it was the last step of its epoch.
        images: size of its batch.
        loss: value before the update.
        learning_rate: of the update.
        seconds: wall time that it took, batch included; two equal steps may differ in it.
    """

    number: int
    epoch: int
    ends_epoch: bool
    images: int
    loss: float
    learning_rate: float
    seconds: float = field(default=0.0, compare=False)


def noise_generator(seed: int) -> np.random.Generator:
    """Return the source of the noise (dropout) in a training of `seed`."""
    return np.random.default_rng([_NOISE_STREAM, seed])


def training_steps(
    model: Layer,
    dataset: Dataset,
    optimizer: Optimizer,
    *,
    steps: int,
    batch_size: int = 32,
    seed: int = 0,
    objective: Objective = reconstruction,
    rng: np.random.Generator | None = None,
    workers: int = 1,
    engine: str = "fast",
) -> Generator[Step]:
    """Train `model` for `steps` more steps, and yield after each one.

    Args:
        model: changed in place; batches have its dtype, and are moved to its device.
        dataset: images of the shape that the model takes.
        optimizer: its count of steps says where in the order of images to begin.
        steps: how many to take.
        batch_size: images a step; the last batch of an epoch may be smaller.
        seed: of the order of the images.
        objective: what to minimise.
        rng: noise for the model (dropout); None makes one from `seed`.
        workers: processes that share each batch; more than 1 asks that the objective is a mean over images.
        engine: "fast", or "reference" for the readable core; see `minirmae.engine`.

    Raises:
        NonFiniteLoss: before the update, so that the parameters stay good.
        ValueError or TypeError: the images do not fit the model, or a number is out of range.
    """
    require_int("training_steps", "steps", steps, 0)
    rng = noise_generator(seed) if rng is None else rng
    per_epoch = steps_per_epoch(len(dataset), batch_size)
    end = optimizer.steps + steps
    with training_step(model, objective, optimizer, engine=engine, workers=workers) as take:
        while optimizer.steps < end:
            epoch, done = divmod(optimizer.steps, per_epoch)
            for indices in batches(len(dataset), batch_size, seed=seed, epoch=epoch, start=done):
                began, rate = time.perf_counter(), optimizer.rate_at(optimizer.steps)
                x = to_device(dataset.batch(indices, model.dtype), model.device)
                loss = take(x, rng)
                number = optimizer.steps
                seconds = time.perf_counter() - began
                yield Step(number, epoch, number % per_epoch == 0, len(x), loss, rate, seconds)
                if number >= end:
                    return


def fit(
    model: Layer,
    dataset: Dataset,
    optimizer: Optimizer,
    *,
    steps: int,
    batch_size: int = 32,
    seed: int = 0,
    objective: Objective = reconstruction,
    rng: np.random.Generator | None = None,
    workers: int = 1,
    engine: str = "fast",
) -> Array:
    """Train `model` for `steps` more steps and return the loss of each, float64 (steps,).

    Arguments and errors are those of `training_steps`.

    >>> from minirmae.data import ArrayDataset
    >>> from minirmae.layers import Flatten, Linear, Reshape, Sequential
    >>> from minirmae.optimizers import Adam
    >>> rng = np.random.default_rng(0)
    >>> data = ArrayDataset(rng.integers(0, 256, (20, 4, 4, 1), dtype=np.uint8))
    >>> model = Sequential(Flatten(), Linear(16, 3, rng=rng), Linear(3, 16, rng=rng), Reshape((4, 4, 1)))
    >>> losses = fit(model, data, Adam(1e-2), steps=100, batch_size=5)
    >>> bool(losses[-1] < losses[0] / 4)
    True
    """
    options: dict[str, Any] = {"batch_size": batch_size, "seed": seed, "objective": objective, "rng": rng}
    taken = training_steps(model, dataset, optimizer, steps=steps, workers=workers, engine=engine, **options)
    return np.array([step.loss for step in taken], dtype=np.float64)


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
    device: Any = None,
    until: Callable[[int], int] | None = None,
    interrupted: Callable[[], bool] = lambda: False,
) -> Generator[Step]:
    """Train `model` for `steps` more steps on a GPU, and yield each step once its loss has been read back.

    Args:
        model, dataset, optimizer, steps, batch_size, seed, objective, rng: as in `training_steps`.
        precision: "tf32" or "float32", see `engines.cuda.sources.PRECISIONS`.
        device: to train on; None is the GPU that the model is on, or the first one.
        until: for a number of steps taken, the next number at which the host needs the model; None is the end.
        interrupted: whether the host wants the model as soon as possible; asked every few hundred steps.

    The model and the optimiser follow: they are up to date exactly if `optimizer.steps` is the number of the step that
    was yielded. Where there is no captured step for the model, objective or optimiser, one warning says why and the
    ordinary loop trains it where it is.

    Raises:
        NonFiniteLoss: with model and optimiser as they were before the step that diverged.
        DeviceError: no such device, or its memory does not suffice.
        ValueError or TypeError: the images do not fit the model, or a number is out of range.
    """
    from minirmae.engines.cuda.network import NotCapturable
    from minirmae.engines.cuda.replicas import Replicas
    from minirmae.engines.cuda.training import steps_together, warn_op_by_op

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
    for (step,) in steps_of(replicas, steps_together(replicas, steps, until=until, interrupted=interrupted)):
        yield step


def steps_of(replicas: Any, chunks: Iterable[tuple[int, Array, float]]) -> Generator[tuple[Step, ...]]:
    """Yield each step of the `chunks` that `engines.cuda.training.steps_together` gave, as one `Step` per model."""
    plan = replicas.plan
    per_epoch, count, batch_size = plan.steps_per_epoch, plan.images.shape[0], plan.batch_size
    for first, losses, seconds in chunks:
        for number, row in enumerate(losses.tolist(), first + 1):
            epoch, place = divmod(number - 1, per_epoch)
            images = min(count - place * batch_size, batch_size)
            yield tuple(
                Step(number, epoch, place + 1 == per_epoch, images, loss, optimizer.rate_at(number - 1), seconds)
                for loss, optimizer in zip(row, replicas.optimizers, strict=True)
            )
