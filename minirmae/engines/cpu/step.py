"""One training step: the gradient of a batch, and the optimiser's update, by one process or several.

With several, each takes a slice of the batch, puts its gradient into a vector
that all can see, and then, for its own stretch of the parameters, adds up all
gradients in the order of the ranks and updates. The weights are in shared
memory, so nothing is sent but the images. This asks of an objective that it is
a mean over the images of a batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from minirmae.arrays import Array, array_module, asnumpy
from minirmae.engines.cpu import heap
from minirmae.engines.cpu.pages import shared_copy
from minirmae.engines.cpu.parallel import Team, blocks
from minirmae.layers import Layer
from minirmae.objectives.objective import Objective, Update
from minirmae.optimizers import Optimizer


class NonFiniteLoss(ValueError):
    """A training has diverged: a loss, a gradient or a parameter is infinite or not a number."""


class TrainingStep:
    """What a batch does to a model; a context manager, because it may have processes to end.

    Args:
        model: changed in place. With several workers its parameters move into shared memory when this object
            is made: take views of them (`parameter.value`) anew.
        objective: what to minimise. With several workers it must be a mean over the images of a batch, and
            afterwards `model.grads` holds only this process's part of the gradient.
        optimizer: its state moves likewise.
        workers: number of processes.

    Raises:
        ValueError: `workers` is no positive integer, or above 1 where the model is not on the CPU, or processes
            cannot be forked.
    """

    def __init__(self, model: Layer, objective: Objective, optimizer: Optimizer, workers: int = 1) -> None:
        self.model, self.objective, self.optimizer = model, objective, optimizer
        self.gradients = [model.grads]
        if workers > 1:
            if array_module(model.values) is not np:
                raise ValueError(f"TrainingStep: {workers} workers need a model on the CPU, not on {model.device}")
            model.share()
            optimizer.share(model.values)
            self.gradients = [model.grads, *(shared_copy(model.grads) for _ in range(workers - 1))]
        self.workers = workers
        self._held = ExitStack()
        self._held.enter_context(heap.kept())
        self.team = self._held.enter_context(Team(workers, self._work))

    def __call__(self, x: Any, rng: np.random.Generator) -> float:
        """Take a step on the batch `x` and return its loss before the step.

        Raises:
            NonFiniteLoss: the loss or the gradient is not finite; the model has not been changed.
            ValueError: several workers, and the objective moves something that has no gradient.
        """
        if self.workers == 1:
            loss, update = self._gradient(x, rng)
            self._require_finite(loss, _all_finite(self.model.grads))
            self.optimizer.step(self.model.values, self.model.grads)
            if update is not None:
                update()
            return loss
        seed = int(rng.integers(2**63))
        shares = _shares(x, self.workers)
        weights = [len(share) / len(x) for share in shares]
        results = self.team.run([("gradient", share, seed + rank) for rank, share in enumerate(shares)])
        loss = sum(weight * part for weight, (part, _) in zip(weights, results, strict=True))
        self._require_finite(loss, all(finite for _, finite in results))
        self.team.run([("update", weights)] * self.workers)
        return loss

    def __enter__(self) -> TrainingStep:
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def _work(self, rank: int, message: tuple[Any, ...]) -> tuple[float, bool]:
        """What the process of `rank` does when told."""
        if message[0] == "update":
            self._update(rank, message[1])
            return 0.0, True
        _, x, seed = message
        self.model.use_grads(self.gradients[rank])
        if not len(x):
            self.model.grads[...] = 0
            return 0.0, True
        loss, update = self._gradient(x, np.random.default_rng(seed))
        if update is not None:
            raise ValueError("this objective moves something that has no gradient, so it trains with 1 worker only")
        return loss, math.isfinite(loss) and _all_finite(self.model.grads)

    def _gradient(self, x: Any, rng: np.random.Generator) -> tuple[float, Update | None]:
        """Put the gradient at the batch `x` into the model; return the loss and what is to be done after the update."""
        # Overflow is looked for in the result; NumPy's warnings on the way would only hide the message.
        with np.errstate(over="ignore", invalid="ignore"):
            scalar, backward = self.objective(self.model, x, rng)
            loss = float(asnumpy(scalar))
            self.model.zero_grads()
            return loss, backward() if math.isfinite(loss) else None

    def _update(self, rank: int, weights: Sequence[float]) -> None:
        """Update one stretch of the parameters by the weighted sum of all gradients."""
        size = len(self.model.values)
        rate = self.optimizer.advance(self.model.values)
        for part in blocks(size * rank // self.workers, size * (rank + 1) // self.workers):
            total = _weighted_sum([gradient[part] for gradient in self.gradients], weights)
            self.optimizer.update(self.model.values, total, rate, part)

    def _require_finite(self, loss: float, finite: bool) -> None:
        if math.isfinite(loss) and finite:
            return
        what = f"the loss is {loss:g}" + (", but its gradient is not finite" if math.isfinite(loss) else "")
        raise NonFiniteLoss(
            f"training stopped at step {self.optimizer.steps + 1}: {what} "
            f"(learning rate {self.optimizer.current_rate():g}). "
            "Lower the learning rate, or train in float64 if the numbers are that large."
        )


def _weighted_sum(gradients: Sequence[Array], weights: Sequence[float]) -> Array:
    """The sum of weighted gradients, in their order."""
    if min(weights) == max(weights):
        # One pass over all of them instead of two over each.
        total = gradients[0] + gradients[1]
        for gradient in gradients[2:]:
            total += gradient
        total *= weights[0]
        return total
    total = weights[0] * gradients[0]
    for weight, gradient in zip(weights[1:], gradients[1:], strict=True):
        total += weight * gradient
    return total


def _shares(x: Any, count: int) -> list[Any]:
    """Neighbouring slices of a batch of nearly equal length."""
    ends = [len(x) * i // count for i in range(count + 1)]
    return [x[ends[i] : ends[i + 1]] for i in range(count)]


def _all_finite(vector: Array) -> bool:
    xp = array_module(vector)
    # An infinity or a NaN reaches the sum of squares, which takes one pass. An overflow does too: then look again.
    with np.errstate(over="ignore", invalid="ignore"):
        square = vector @ vector
    return bool(asnumpy(xp.isfinite(square))) or bool(asnumpy(xp.isfinite(vector).all()))
