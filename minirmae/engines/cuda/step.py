"""Models on a GPU, and their training step, recorded once and replayed.

The data set, the models and every array of a step get their place before the
first step. After that nothing is allocated and no address changes. Once an
epoch the host sends the order of the images. Every few hundred steps it sends
learning rates and reads losses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minirmae.arrays import Array, asarray, asnumpy
from minirmae.data.batches import epoch_order
from minirmae.engines.cuda.card import Device
from minirmae.engines.cuda.launch import Buffer
from minirmae.engines.cuda.layout import lay_out
from minirmae.engines.cuda.memory import CAPACITY, LOSSES, PROGRESS, RATES, vectors
from minirmae.engines.cuda.network import NotCapturable, StageSpec, stage_specs
from minirmae.engines.cuda.plan import StepPlan
from minirmae.layers import Layer
from minirmae.optimizers import Adam, AdamW
from minirmae.step import NonFiniteLoss
from minirmae.validation import require_positive_int

_MOMENTS = "first_moment", "second_moment"


class CapturedTraining:
    """R models of one architecture that take their steps together on one device.

    Args:
        models: one or more; only `store` changes them.
        optimizers: Adam or AdamW, one per model, equal but for the learning rate.
        images: the data set, (count, H, W, C), uint8 or float32 in [0, 1]; or a list of them, one per model.
        batch_size: images per step; the last batch of an epoch may be smaller.
        seeds: of the order of images, one per model.
        device: a `CudaDevice`.
        names: of the models, for errors.
        loss: "mean_squared_error", or "binary_cross_entropy" of logits, between images and output.

    Attributes:
        steps: taken so far.
        bound: a step's launches with their addresses, by size of batch.

    Raises:
        NotCapturable: a model or optimiser that has no captured step, or models that differ.
        DeviceError: the device's memory does not suffice.
        ValueError: a number is out of range.
    """

    def __init__(
        self,
        models: Sequence[Layer],
        optimizers: Sequence[Adam],
        images: Array | Sequence[Array],
        *,
        batch_size: int,
        seeds: Sequence[int],
        device: Device,
        names: Sequence[str] = (),
        loss: str = "mean_squared_error",
    ) -> None:
        require_positive_int("captured step", batch_size=batch_size, models=len(models))
        if not len(models) == len(optimizers) == len(seeds):
            raise ValueError(
                f"captured step: got {len(models)} models, {len(optimizers)} optimisers and {len(seeds)} seeds"
            )
        sets: list[Any] = list(images) if isinstance(images, (list, tuple)) else [images]
        _require_alike(sets, len(models))
        self.models, self.optimizers, self.seeds = tuple(models), tuple(optimizers), tuple(seeds)
        self._names = names or [f"model {r} of {len(models)}" if len(models) > 1 else "" for r in range(len(models))]
        self.plan = StepPlan(
            stages=_common_stages(models, sets[0].shape[1:]),
            trained=models[0].values.size,
            fixed=models[0].fixed.size,
            images=Buffer("images", sets[0].shape, str(sets[0].dtype)),
            batch_size=batch_size,
            loss=loss,
            adam=_common_numbers(optimizers),
            replicas=len(models),
            own_images=len(sets) > 1,
        )
        launches = {count: self.plan.launches(count) for count in self.plan.batch_sizes}
        used = [buffer for step in launches.values() for launch in step for buffer in launch.buffers()]
        self._layout = lay_out([*self.plan.state(), *used], outside=("images",))
        self._device = device
        self._base = device.allocate(self._layout.bytes * len(models))
        images_address = device.allocate(sum(one.nbytes for one in sets))
        for number, one in enumerate(sets):
            device.upload(images_address + number * one.nbytes, np.ascontiguousarray(one))
        self.bound = {
            count: [self._layout.bind(launch, self._base, {"images": images_address}) for launch in step]
            for count, step in launches.items()
        }
        self._replays = {count: device.record(step) for count, step in self.bound.items()}
        self.steps, self._epoch, self._started = 0, -1, LOSSES.part(0, (0,))
        self._vectors = vectors(self.plan.trained, self.plan.fixed)
        self.load()

    def load(self) -> None:
        """Copy the models' parameters and the optimisers' state to the device.

        Raises ValueError if the optimisers have not taken equally many steps.
        """
        steps = {optimizer.steps for optimizer in self.optimizers}
        if len(steps) > 1:
            raise ValueError(f"captured step: the optimisers have taken different numbers of steps, {sorted(steps)}")
        self.steps = steps.pop()
        zeros = np.zeros(self.plan.trained, np.float32)
        for replica, (model, optimizer) in enumerate(zip(self.models, self.optimizers, strict=True)):
            self._write(replica, PROGRESS, np.array([self.steps, 0], np.int64))
            self._write(replica, self._vectors["values"], asnumpy(model.values))
            for name in _MOMENTS:
                self._write(replica, self._vectors[name], asnumpy(optimizer.moments.get(name, zeros)))
            if self.plan.fixed:
                self._write(replica, self._vectors["fixed"], asnumpy(model.fixed))
        self._epoch = -1

    def store(self) -> None:
        """Copy parameters and state back into the models and optimisers, on whatever device they are."""
        for replica, (model, optimizer) in enumerate(zip(self.models, self.optimizers, strict=True)):
            model.values[...] = asarray(self._read(replica, self._vectors["values"]), model.device)
            optimizer.moments = {
                name: asarray(self._read(replica, self._vectors[name]), model.device) for name in _MOMENTS
            }
            optimizer.steps = int(self._read(replica, PROGRESS)[0])

    def run(self, steps: int) -> Array:
        """Take `steps` steps; return the losses, float32 (steps, R), each before its update.

        Raises NonFiniteLoss if a model has diverged; `store` then gives its parameters before that step.
        """
        parts = [np.empty((0, len(self.models)), np.float32)]
        while steps > 0:
            count = min(steps, self.room)
            self.start(count)
            parts.append(self.finish())
            steps -= count
        return np.concatenate(parts)

    @property
    def room(self) -> int:
        """Steps that can be started before the rings of rates and losses come round."""
        return CAPACITY - self.steps % CAPACITY

    def start(self, count: int) -> None:
        """Start `count` steps, at most `room`, without waiting for them. Call `finish` next."""
        self._send_rates(count)
        self._started = LOSSES.part(self.steps % CAPACITY, (count,))
        for _ in range(count):
            self._send_order()
            left = self.plan.images.shape[0] - self.steps % self.plan.steps_per_epoch * self.plan.batch_size
            self._replays[min(left, self.plan.batch_size)]()
            self.steps += 1

    def finish(self) -> Array:
        """Wait for the steps that were started; return their losses, float32 (count, R). Raises as `run`."""
        losses = [self._read(replica, self._started) for replica in range(len(self.models))]
        self._require_finite()
        return np.stack(losses, axis=1)

    def _send_rates(self, count: int) -> None:
        """Send the learning rates of the next `count` steps, which must not run over the end of the ring."""
        for replica, optimizer in enumerate(self.optimizers):
            rates = np.array([optimizer.rate_at(step) for step in range(self.steps, self.steps + count)])
            self._write(replica, RATES.part(self.steps % CAPACITY, (count,)), rates)

    def _send_order(self) -> None:
        """Send the order of this step's epoch, unless it is there already."""
        epoch = self.steps // self.plan.steps_per_epoch
        if epoch != self._epoch:
            for replica, seed in enumerate(self.seeds):
                order = epoch_order(self.plan.images.shape[0], seed, epoch).astype(np.int32)
                self._write(replica, self.plan.order, order)
            self._epoch = epoch

    def _require_finite(self) -> None:
        """Raise if a model has stopped: the device has not changed it since."""
        for replica, optimizer in enumerate(self.optimizers):
            step, stopped = self._read(replica, PROGRESS)
            if stopped:
                self.steps, self._epoch = int(step), -1
                # Two flags of 32 bits: the loss's is the low one.
                what = "the loss is not finite" if stopped & 0xFFFFFFFF else "the gradient is not finite"
                which = f" in {self._names[replica]}" if self._names[replica] else ""
                rate = optimizer.rate_at(self.steps)
                raise NonFiniteLoss(
                    f"training stopped at step {self.steps + 1}{which}: {what} (learning rate {rate:g}). "
                    "Lower the learning rate, or train in float64 on the device cpu if the numbers are that large."
                )

    def _write(self, replica: int, buffer: Buffer, array: Array) -> None:
        self._device.upload(self._address(replica, buffer), np.ascontiguousarray(array, dtype=buffer.dtype))

    def _read(self, replica: int, buffer: Buffer) -> Array:
        array = np.empty(buffer.shape, dtype=buffer.dtype)
        self._device.download(self._address(replica, buffer), array)
        return array

    def _address(self, replica: int, buffer: Buffer) -> int:
        return self._base + replica * self._layout.bytes + self._layout.offset(buffer)


def _require_alike(sets: Sequence[Array], models: int) -> None:
    """Raise unless there is one data set, or one per model, all of one shape and of a type that the kernels take."""
    if sets[0].dtype not in (np.uint8, np.float32):
        raise NotCapturable(f"the images must be uint8 or float32, got {sets[0].dtype}")
    if len(sets) not in (1, models):
        raise ValueError(f"captured step: got {len(sets)} data sets for {models} models; give one, or one per model")
    kinds = {(one.shape, one.dtype) for one in sets}
    if len(kinds) > 1:
        raise NotCapturable("models that train together must have equally many images of one shape and type")


def _common_stages(models: Sequence[Layer], shape: tuple[int, ...]) -> tuple[StageSpec, ...]:
    first, *others = (stage_specs(model, shape) for model in models)
    if any(stages != first for stages in others):
        raise NotCapturable("models that train together must have one architecture; train the others by themselves")
    return first


def _common_numbers(optimizers: Sequence[Adam]) -> dict[str, float]:
    """Adam's numbers, which all optimisers must share."""
    numbers = []
    for optimizer in optimizers:
        if type(optimizer) not in (Adam, AdamW):
            raise NotCapturable(f"the captured step has Adam and AdamW, the optimiser is {type(optimizer).__name__}")
        decay = optimizer.weight_decay if isinstance(optimizer, AdamW) else 0.0
        same = {name: float(getattr(optimizer, name)) for name in ("beta1", "beta2", "epsilon")}
        numbers.append({**same, "weight_decay": float(decay)})
    if any(other != numbers[0] for other in numbers):
        raise NotCapturable("optimisers that step together must differ in the learning rate only")
    return numbers[0]
