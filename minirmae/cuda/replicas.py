"""Many models on one card: one small model leaves most of it idle.

Models of one architecture, different in seed, take each step together: every
kernel's grid has one more axis, and replica r works in arena r. A launch then
costs as much as for one model, which is what a small step is made of. Models
that differ in architecture, as in the number of linear layers, have a graph
and streams of their own, and run side by side. Nothing about a model's
arithmetic depends on its neighbours, so each ends as if trained alone, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from minirmae.backend import Array
from minirmae.cuda.device import CudaDevice, Device
from minirmae.cuda.network import Stage, read_stages
from minirmae.cuda.step import CapturedTraining
from minirmae.cuda.training import resident
from minirmae.data import Dataset
from minirmae.layer import Layer
from minirmae.optimizers import Adam
from minirmae.validation import require_int


def fit_replicas(
    models: Sequence[Layer],
    dataset: Dataset,
    optimizers: Sequence[Adam],
    *,
    steps: int,
    batch_size: int = 32,
    seeds: Sequence[int],
    precision: str = "tf32",
    make_device: Callable[[], Device] | None = None,
) -> Array:
    """Train all `models` for `steps` more steps at once; return the losses, float32 (steps, R).

    Args:
        models: changed in place, at the end.
        dataset: for all of them.
        optimizers: Adam or AdamW, one a model, all with equally many steps taken.
        steps, batch_size: for all of them.
        seeds: of the order of images, one a model.
        precision: "tf32" or "float32".
        make_device: returns a device for a group of like models; None takes the first card.

    Raises:
        NotCapturable: a model or optimiser that has no captured step.
        NonFiniteLoss: a model has diverged; all models are then as they were when last read back or before it.
        DeviceError: no card, or its memory does not suffice.
        ValueError: numbers out of range or of different lengths.
    """
    require_int("fit_replicas", "steps", steps, 0)
    if not len(models) == len(optimizers) == len(seeds):
        raise ValueError(f"fit_replicas: came {len(models)} models, {len(optimizers)} optimisers, {len(seeds)} seeds")
    images = resident(dataset)
    groups = [
        (
            members,
            CapturedTraining(
                [models[i] for i in members],
                [optimizers[i] for i in members],
                images,
                batch_size=batch_size,
                seeds=[seeds[i] for i in members],
                device=CudaDevice("cuda", precision) if make_device is None else make_device(),
            ),
        )
        for members in like(models, dataset.shape)
    ]
    losses = np.empty((steps, len(models)), np.float32)
    done = 0
    try:
        while done < steps:
            count = min([steps - done, *(training.room for _, training in groups)])
            for _, training in groups:
                training.start(count)
            for members, training in groups:
                losses[done : done + count, members] = training.finish()
            done += count
    finally:
        for _, training in groups:
            training.store()
    return losses


def like(models: Sequence[Layer], shape: tuple[int, ...]) -> list[list[int]]:
    """Return the numbers of the models, grouped by architecture for samples of `shape`, in order.

    Raises NotCapturable for a model that has no captured step.
    """
    groups: dict[tuple[Stage, ...], list[int]] = {}
    for number, model in enumerate(models):
        groups.setdefault(read_stages(model, shape), []).append(number)
    return list(groups.values())
