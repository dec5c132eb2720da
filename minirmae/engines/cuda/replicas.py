"""Many models on one GPU, because one small model leaves most of it idle.

Models of one architecture take each step together: every kernel's grid has one
more axis, and replica r works in arena r. There are then no more launches than
for one model, and launches are what costs time in a small step. Models of
another architecture, such as another number of linear layers, have a graph and
streams of their own, and run side by side. No model's arithmetic depends on its
neighbours, so each ends as if trained alone, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from minirmae.arrays import Array, asnumpy
from minirmae.data import Dataset, DeviceDataset
from minirmae.engines.cuda.card import CudaDevice, Device
from minirmae.engines.cuda.network import NotCapturable, StageSpec, stage_specs
from minirmae.engines.cuda.step import CapturedTraining
from minirmae.layers import Layer
from minirmae.objectives import Objective, reconstruction
from minirmae.optimizers import Adam, Optimizer


class Replicas:
    """Models that train at the same time on one GPU.

    Args:
        models: one or more; only `store` changes them.
        datasets: one for all, or one per model, all of one size; equal ones are stored on the GPU once.
        optimizers: Adam or AdamW, one per model, all at the same step.
        batch_size: images per step.
        seeds: of the order of images, one per model.
        objective: what to minimise.
        precision: "tf32" or "float32".
        make_device: returns a device for a group of like models; None takes the GPU that the models are on, or
            the first one.
        names: of the models, for errors.

    Raises:
        NotCapturable: a model, optimiser or objective that has no captured step, or data sets that differ in size.
        DeviceError: there is no GPU, or its memory does not suffice.
        ValueError: numbers out of range or of different lengths.
    """

    def __init__(
        self,
        models: Sequence[Layer],
        datasets: Sequence[Dataset],
        optimizers: Sequence[Optimizer],
        *,
        batch_size: int,
        seeds: Sequence[int],
        objective: Objective = reconstruction,
        precision: str = "tf32",
        make_device: Callable[[], Device] | None = None,
        names: Sequence[str] = (),
    ) -> None:
        if not len(models) == len(optimizers) == len(seeds):
            raise ValueError(f"replicas: got {len(models)} models, {len(optimizers)} optimisers, {len(seeds)} seeds")
        if objective is not reconstruction:
            raise NotCapturable("only the plain reconstruction objective has a captured step")
        if make_device is None:
            place = "cuda" if models[0].device == "cpu" else models[0].device
            make_device = lambda: CudaDevice(place, precision)  # noqa: E731
        names = names or [f"model {i} of {len(models)}" if len(models) > 1 else "" for i in range(len(models))]
        self.optimizers = tuple(_adam(optimizer) for optimizer in optimizers)
        groups = like(models, datasets[0].shape)
        images = _images(datasets)
        if len({one.shape for one in images}) > 1:
            raise NotCapturable("models that train together must have equally many images")
        self._groups: list[tuple[list[int], CapturedTraining]] = []
        for members in groups:
            training = CapturedTraining(
                [models[i] for i in members],
                [self.optimizers[i] for i in members],
                images if len(images) == 1 else [images[i] for i in members],
                batch_size=batch_size,
                seeds=[seeds[i] for i in members],
                device=make_device(),
                names=[names[i] for i in members],
            )
            self._groups.append((members, training))
        self.plan = self._groups[0][1].plan

    @property
    def steps(self) -> int:
        """Steps taken so far."""
        return self._groups[0][1].steps

    def run(self, most: int) -> Array:
        """Take at most `most` steps, fewer if the rings of rates and losses end before; return their losses.

        Returns float32 (steps, models), each loss before its update. Raises NonFiniteLoss if a model has diverged;
        `store` then gives its parameters before that step.
        """
        count = min([most, *(training.room for _, training in self._groups)])
        losses = np.empty((count, len(self.optimizers)), np.float32)
        for _, training in self._groups:
            training.start(count)
        for members, training in self._groups:
            losses[:, members] = training.finish()
        return losses

    def store(self) -> None:
        """Copy parameters and state back into the models and optimisers, on whatever device they are."""
        for _, training in self._groups:
            training.store()


def like(models: Sequence[Layer], shape: tuple[int, ...]) -> list[list[int]]:
    """Return the numbers of the models, grouped by architecture for samples of `shape`, in order.

    Raises NotCapturable for a model that has no captured step.
    """
    groups: dict[tuple[StageSpec, ...], list[int]] = {}
    for number, model in enumerate(models):
        groups.setdefault(stage_specs(model, shape), []).append(number)
    return list(groups.values())


def resident(dataset: Dataset) -> Array:
    """Return all images of `dataset` as one host array: bytes where it has bytes, else float32."""
    stored = dataset if isinstance(dataset, DeviceDataset) else DeviceDataset(dataset, "cpu")
    images = asnumpy(stored.images)
    return images if images.dtype == np.uint8 else images.astype(np.float32, copy=False)


def _images(datasets: Sequence[Dataset]) -> list[Array]:
    """The images of every data set; only once if all are equal, since a GPU has no room for many copies."""
    images: list[Array] = []
    for dataset in datasets:
        one = resident(dataset)
        images.append(images[0] if images and np.array_equal(one, images[0]) else one)
    return images[:1] if all(one is images[0] for one in images) else images


def _adam(optimizer: Optimizer) -> Adam:
    if not isinstance(optimizer, Adam):
        raise NotCapturable(f"the captured step has Adam and AdamW, the optimiser is {type(optimizer).__name__}")
    return optimizer
