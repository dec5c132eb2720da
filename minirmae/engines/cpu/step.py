"""The training step of the CPU engine: fused stages, by one process or several.

With several, each takes a slice of the batch, puts its gradient into a vector that all can see, and then, for its own
stretch of the parameters, adds up all gradients in the order of the ranks and updates. The weights are in shared
memory, so nothing is sent but the images. This asks of an objective that it is a mean over the images of a batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from minirmae.arrays import Array, array_module, asnumpy
from minirmae.engines.cpu import heap
from minirmae.engines.cpu.gradients import LazyStore
from minirmae.engines.cpu.optimizers import update
from minirmae.engines.cpu.pages import shared_copy
from minirmae.engines.cpu.parallel import Team, blocks
from minirmae.engines.cpu.rows import fused
from minirmae.layers import Layer
from minirmae.objectives.objective import Objective, Update
from minirmae.optimizers import Optimizer
from minirmae.step import require_finite


class TrainingStep:
    """What a batch does to a model; a context manager, which at its end leaves the numbers where they were before.

    Args:
        model: changed in place. With several workers its numbers are in shared memory meanwhile: take views of them
            (`parameter.value`) anew.
        objective: what to minimise. With several workers it must be a mean over the images of a batch, and
            `model.grads` holds only this process's part of the gradient.
        optimizer: its state moves likewise.
        workers: number of processes.

    Raises:
        ValueError: `workers` is no positive integer, or above 1 where the model is not on the CPU or processes cannot
            be forked; or `model` is part of a larger one.
    """

    def __init__(self, model: Layer, objective: Objective, optimizer: Optimizer, workers: int = 1) -> None:
        if workers > 1 and array_module(model.values) is not np:
            raise ValueError(f"training step: {workers} workers need a model on the CPU, not on {model.device}")
        self.model, self.objective, self.optimizer, self.workers = model, objective, optimizer, workers
        self._held = ExitStack()
        self._held.enter_context(heap.kept())
        self.gradients = self._move_in()
        self._fused = fused(model, input_gradient=False)
        self.team = self._held.enter_context(Team(workers, self._work))

    def __call__(self, x: Any, rng: np.random.Generator) -> float:
        """Take a step on the batch `x` and return its loss before the step.

        Raises:
            NonFiniteLoss: the loss or the gradient is not finite; the model has not been changed.
            ValueError: several workers, and the objective moves something that has no gradient.
        """
        if self.workers == 1:
            loss, after, finite = self._gradient(x, rng)
            self._require_finite(loss, finite)
            rate = self.optimizer.advance(self.model.values)
            update(self.optimizer, self.model.values, self.model.grads, rate)
            if after is not None:
                after()
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

    def _move_in(self) -> list[Array]:
        """Give the model a store whose gradients need no clearing; return each worker's gradients."""
        model, home = self.model, self.model.store
        shared = self.workers > 1
        vectors = (shared_copy(home.values), shared_copy(home.grads)) if shared else (home.values, home.grads)
        self._store = LazyStore(model, *vectors, home.fixed)
        model.attach(self._store)
        self._held.callback(self._move_out, home)
        if not shared:
            return [vectors[1]]
        for name in self.optimizer.state_names:
            moment = self.optimizer.moments.get(name, np.zeros_like(home.values))
            self.optimizer.moments[name] = shared_copy(moment)
        return [vectors[1], *(shared_copy(home.grads) for _ in range(self.workers - 1))]

    def _move_out(self, home: Any) -> None:
        store, model = self._store, self.model
        grads = store.grads
        if store.values is not home.values:
            home.values[...], home.grads[...] = store.values, grads
            self.optimizer.moments = {name: moment.copy() for name, moment in self.optimizer.moments.items()}
        model.attach(home)

    def _work(self, rank: int, message: tuple[Any, ...]) -> tuple[float, bool]:
        """What the process of `rank` does when told."""
        if message[0] == "update":
            self._update(rank, message[1])
            return 0.0, True
        _, x, seed = message
        self._store.vector = self.gradients[rank]
        if not len(x):
            self._store.vector[...] = 0
            return 0.0, True
        loss, after, finite = self._gradient(x, np.random.default_rng(seed))
        if after is not None:
            raise ValueError("this objective moves something that has no gradient, so it trains with 1 worker only")
        return loss, finite

    def _gradient(self, x: Any, rng: np.random.Generator) -> tuple[float, Update | None, bool]:
        """Put the gradient at the batch `x` into the model; return the loss, what is due after the update, whether
        both are finite."""
        # Overflow is looked for in the result; NumPy's warnings on the way would only hide the message.
        with np.errstate(over="ignore", invalid="ignore"):
            scalar, backward = self.objective(self._fused, x, rng)
            loss = float(asnumpy(scalar))
            if not math.isfinite(loss):
                return loss, None, False
            self._store.clear()
            after = backward()
        return loss, after, _all_finite(self._store.grads)

    def _update(self, rank: int, weights: Sequence[float]) -> None:
        """Update one stretch of the parameters by the weighted sum of all gradients."""
        size = len(self.model.values)
        rate = self.optimizer.advance(self.model.values)
        for part in blocks(size * rank // self.workers, size * (rank + 1) // self.workers):
            total = _weighted_sum([gradient[part] for gradient in self.gradients], weights)
            update(self.optimizer, self.model.values, total, rate, part.start)

    def _require_finite(self, loss: float, finite: bool) -> None:
        if not finite:
            # A gradient that is not finite may be another process's.
            require_finite(self.optimizer, loss, np.array([math.nan]))


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
