"""The one seam between the mathematics and what computes it: every training and every long evaluation passes here.

"reference" is the readable core as it stands. "fast" hands the model to `minirmae.engines`, which read it as stages and
give back a model of the same contract on the same flat vectors, or a whole training step. Where that folder is missing,
"fast" is the reference.
"""

from __future__ import annotations

import importlib.util
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Protocol, TypeVar

import numpy as np

from minirmae.layers import Layer
from minirmae.objectives.objective import Objective
from minirmae.optimizers import Optimizer
from minirmae.step import take_step
from minirmae.validation import require_choice, require_int

ENGINES = ("fast", "reference")

Model = TypeVar("Model", bound=Layer)


class Step(Protocol):
    """Takes a step on a batch and returns its loss before the step; raises NonFiniteLoss."""

    def __call__(self, x: Any, rng: np.random.Generator) -> float: ...


def installed() -> bool:
    """Whether there are engines beside the reference."""
    return importlib.util.find_spec("minirmae.engines") is not None


def default_workers(batch_size: int) -> int:
    """Return how many processes are worth sharing batches of `batch_size` images; 1 without engines."""
    if not installed():
        return 1
    from minirmae.engines.cpu import parallel

    return parallel.default_workers(batch_size)


def prepared(model: Model, engine: str = "fast") -> Model:
    """Return `model` as the engine computes it: the same layers, parameters and contract; no number is copied.

    Raises ValueError for an engine that there is not.
    """
    require_choice("engine", "engine", engine, ENGINES)
    if engine == "reference" or not installed():
        return model
    from minirmae.engines.cpu.rows import fused

    return fused(model)  # type: ignore[return-value]


def training_step(
    model: Layer, objective: Objective, optimizer: Optimizer, *, engine: str = "fast", workers: int = 1
) -> AbstractContextManager[Step]:
    """Return the engine's training step for `model`, used as `with training_step(...) as take: take(x, rng)`.

    Args:
        model: changed in place.
        objective: what to minimise; with several workers a mean over the images of a batch.
        optimizer: its state belongs to the model's parameters.
        engine: of `ENGINES`. The fast one does not compute the gradient of the images: an objective that needs it
            takes the reference.
        workers: processes that share each batch; more than 1 needs the fast engine.

    Raises ValueError for an engine that there is not, or workers that cannot be.
    """
    require_choice("training step", "engine", engine, ENGINES)
    require_int("training step", "workers", workers, 1)
    if engine == "reference" or not installed():
        if workers > 1:
            raise ValueError(f"training step: the reference is one process, got workers {workers}; use engine fast")
        return nullcontext(partial(take_step, model, objective, optimizer))
    from minirmae.engines.cpu.step import TrainingStep

    return TrainingStep(model, objective, optimizer, workers)
