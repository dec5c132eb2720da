"""The launches of one training step, in an order in which they may run one after the other.

    gather -> stages forward -> loss -> stages backward -> Adam

A weight gradient needs only its stage's gradient, and only Adam needs it. So
weight gradients are a second lane, beside the stages' backward pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from minirmae.engines.cuda import ends
from minirmae.engines.cuda.launch import Buffer, Launch
from minirmae.engines.cuda.memory import LOSSES, PROGRESS, RATES, entering, vectors
from minirmae.engines.cuda.network import StageSpec
from minirmae.engines.cuda.stages import PlacedStage


@dataclass(frozen=True)
class StepPlan:
    """What a step's launches are computed from.

    Attributes:
        stages: of the model.
        trained, fixed: lengths of its vectors.
        images: the data set on the device, (count, ...), or the first one.
        batch_size: of a full batch.
        loss: name of its kernel.
        adam: beta1, beta2, epsilon and weight_decay of the optimiser.
        replicas: models that take the step together.
        own_images: whether each has a data set of its own; they lie one after the other.
    """

    stages: tuple[StageSpec, ...]
    trained: int
    fixed: int
    images: Buffer
    batch_size: int
    loss: str
    adam: Mapping[str, float]
    replicas: int = 1
    own_images: bool = False

    @property
    def order(self) -> Buffer:
        """The order in which this epoch visits the images."""
        return Buffer("order", (self.images.shape[0],), "int32")

    @property
    def steps_per_epoch(self) -> int:
        """Batches that cover the images, the last one included."""
        return -(-self.images.shape[0] // self.batch_size)

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """The sizes of batch that occur: the full one, unless there are too few images, and an epoch's last one."""
        full, rest = divmod(self.images.shape[0], self.batch_size)
        return (*([self.batch_size] if full else []), *([rest] if rest else []))

    def state(self) -> tuple[Buffer, ...]:
        """Return the buffers that outlive a step; they come first in memory."""
        model = vectors(self.trained, self.fixed)
        return (PROGRESS, RATES, LOSSES, self.order, *(b for b in model.values() if b.size))

    def launches(self, count: int) -> tuple[Launch, ...]:
        """Return the launches of a step with a batch of `count` images, one of `batch_sizes`."""
        placed = [
            PlacedStage(self.stages, i, count, self.trained, self.fixed, self.replicas) for i in range(len(self.stages))
        ]
        batch, end = entering(self.stages, 0, count, "value"), len(self.stages)
        prediction = entering(self.stages, end, count, "value")
        result = [
            ends.gather(
                self.images,
                self.order,
                PROGRESS,
                batch,
                steps_per_epoch=self.steps_per_epoch,
                batch_size=self.batch_size,
                own_images=self.own_images,
                replicas=self.replicas,
            )
        ]
        for stage in placed:
            result += stage.forward()
        result.append(
            ends.loss(
                self.loss,
                prediction,
                replace(batch, shape=prediction.shape),
                entering(self.stages, end, count, "gradient"),
                LOSSES,
                PROGRESS,
                activation=self.stages[-1].activation,
                replicas=self.replicas,
            )
        )
        for stage in reversed(placed):
            result += stage.backward()
        model = vectors(self.trained, self.fixed)
        moments = model["first_moment"], model["second_moment"]
        result.append(
            ends.adam(model["values"], model["grads"], moments, RATES, PROGRESS, replicas=self.replicas, **self.adam)
        )
        return tuple(result)
