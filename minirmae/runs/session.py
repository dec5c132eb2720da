"""One process's work on one run, apart from the steps themselves: what comes before the first, and what after each.

What is due after a step always comes in the order training record, evaluation,
checkpoint. So a checkpoint of step n means that the history holds every record
up to n, and a run is resumed by dropping the records after n. No result
depends on when a process stopped.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from minirmae.data import Dataset, steps_per_epoch
from minirmae.engine import prepared
from minirmae.files import write_text
from minirmae.loop import Step, noise_generator
from minirmae.models.autoencoder import Autoencoder
from minirmae.models.classifier import Classifier
from minirmae.objectives import Objective
from minirmae.optimizers import Optimizer
from minirmae.runs import build, history
from minirmae.runs.checkpoint import save_checkpoint
from minirmae.runs.config import TrainingConfig
from minirmae.runs.console import Meter, Progress
from minirmae.runs.directory import Run, RunError, explained, is_run, open_run, remove_leftovers
from minirmae.runs.evaluation import evaluate, evaluate_classifier


@dataclass
class Session:
    """Everything that the training of a run needs; see `prepare`.

    Attributes:
        before: the configuration that the directory has already; None for a new run.
        total: number of steps at the end.
        saved_step: step of the last checkpoint.
    """

    run: Run
    before: TrainingConfig | None
    model: Autoencoder | Classifier
    optimizer: Optimizer
    rng: np.random.Generator
    data: Dataset
    evaluation: Dataset
    objective: Objective
    total: int
    progress: Progress | None
    meter: Meter = field(default_factory=Meter)
    saved_step: int = -1
    _origin: float = field(default_factory=time.perf_counter)

    def start(self) -> None:
        """Begin the run or restore it, and write its configuration if it has changed."""
        if self.run.checkpoint_path.exists():
            self._restore()
            self._settle_engine()
        else:
            self._begin()
        if self.before is not None and self.run.config != self.before:
            self.run.write_config()

    def _restore(self) -> None:
        """Bring model, optimiser, generator and history to the run's last checkpoint.

        Raises RunError, before anything is changed, if the checkpoint is of another run.
        """
        checkpoint = self.run.checkpoint()
        try:
            meter, seconds = Meter(**checkpoint.extra["meter"]), float(checkpoint.extra["seconds"])
            config, data = checkpoint.extra["config"], checkpoint.extra["data"]
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"{self.run.checkpoint_path}: was not saved by a run (lacks {error})") from error
        asked = self.run.config
        # The engine may have changed, in config.json alone, since this checkpoint was saved.
        asked.require_continues({**config, "engine": asked.engine, "workers": asked.workers})
        if data != self._data():
            raise RunError(
                f"{self.run.directory}: was trained on {data}, but got {self._data()}; "
                "a run is resumed with the images it began with"
            )
        if checkpoint.step > self.total:
            raise RunError(
                f"{self.run.directory}: has taken {checkpoint.step} steps, more than {self.total}; ask for more"
            )
        self.run.history()
        checkpoint.restore(self.model, self.optimizer, self.rng)
        self.meter, self.saved_step, self._origin = meter, checkpoint.step, time.perf_counter() - seconds
        remove_leftovers(self.run.directory)
        history.rewind(self.run.history_path, checkpoint.step)

    def _begin(self) -> None:
        """Evaluate the initial model, and save it: a first proof that there is room."""
        remove_leftovers(self.run.directory)
        with explained(f"cannot write a run into {self.run.directory}"):
            write_text(self.run.history_path, "")
        self._evaluate()
        self.save()

    def _settle_engine(self) -> None:
        """Say so if the run is resumed with another engine; a finished run keeps the one that computed it."""
        config, before, step = self.run.config, self.before, self.optimizer.steps
        if before is None or config.engine == before.engine:
            return
        if step == self.total:
            self.run = replace(self.run, config=replace(config, engine=before.engine, workers=before.workers))
            return
        print(
            f"{self.run.directory}: computed by {_computed_by(config)} from step {step} on, "
            f"by {_computed_by(before)} before; the numbers agree up to rounding, "
            "but the bits differ from those of an uninterrupted run",
            file=sys.stderr,
        )

    def next_due(self, step: int) -> int:
        """Return the first step after `step` at which the model itself is needed, to be evaluated or saved."""
        config = self.run.config
        return min(
            self.total, *((step // every + 1) * every for every in (config.evaluate_every, config.checkpoint_every))
        )

    def after(self, step: Step) -> None:
        """Record, evaluate and save what is due after `step`."""
        config, last = self.run.config, step.number == self.total
        self.meter.add(step)
        if last or step.number % config.log_every == 0:
            self._record("train", step.number, learning_rate=step.learning_rate, **self.meter.means())
            self.meter = Meter()
        if last or step.number % config.evaluate_every == 0:
            self._evaluate()
        if last or step.number % config.checkpoint_every == 0:
            self.save()

    def _evaluate(self) -> None:
        if self.progress:
            self.progress.note(f"step {self.optimizer.steps}/{self.total}  evaluating")
        options: dict[str, Any] = {"batch_size": self.run.config.batch_size, "objective": self.objective}
        model = prepared(self.model, self.run.config.engine)
        result = (
            evaluate_classifier(model, self.evaluation, **options)
            if isinstance(model, Classifier)
            else evaluate(model, self.evaluation, **options)
        )
        self._record("evaluation", self.optimizer.steps, **result.to_json())

    def _record(self, kind: str, step: int, **values: Any) -> None:
        """Add a record of `step` to the history."""
        epoch = step / steps_per_epoch(len(self.data), self.run.config.batch_size)
        record = {"kind": kind, "step": step, "epoch": epoch, "seconds": self._seconds(), **values}
        with explained(f"cannot add to {self.run.history_path} at step {step}", self._advice()):
            history.append(self.run.history_path, record)

    def save(self) -> None:
        """Write the checkpoint, unless that of this step is there."""
        step = self.optimizer.steps
        if step == self.saved_step:
            return
        extra = {
            "config": self.run.config.to_json(),
            "data": self._data(),
            "meter": self.meter.to_json(),
            "seconds": self._seconds(),
        }
        with explained(f"cannot save the checkpoint of step {step} in {self.run.directory}", self._advice()):
            save_checkpoint(self.run.checkpoint_path, self.model, self.optimizer, self.rng, extra)
        self.saved_step = step

    def _advice(self) -> str:
        saved = self.run.checkpoint_path.exists()
        kept = f"the checkpoint of step {self.saved_step} is kept" if saved else "nothing is lost"
        return f"{kept}; once the cause is removed, resume with: minirmae train --resume {self.run.directory}"

    def _seconds(self) -> float:
        """Time spent on the run so far, by all processes."""
        return time.perf_counter() - self._origin

    def _data(self) -> dict[str, Any]:
        """What identifies the training images, short of reading them all."""
        return {"name": self.data.name, "images": len(self.data), "shape": [int(size) for size in self.data.shape]}


def prepare(
    config: TrainingConfig | None,
    directory: str | os.PathLike[str],
    resume: bool,
    progress: Progress | None,
    device: str,
    engine: str | None,
    objective: Objective | None = None,
    sets: tuple[Dataset | None, Dataset | None] = (None, None),
) -> Session:
    """Check everything that `train` is asked for, write nothing, and return the session; raises what `train` raises."""
    before = open_run(directory).config if resume and (config is None or is_run(directory)) else None
    if config is None:
        if before is None:
            raise TypeError("train: config may be None only with resume=True")
        config = before
    if engine is not None:
        workers = 1 if engine == "reference" and before is not None else config.workers
        config = replace(config, engine=engine, workers=workers)
    if before is not None:
        config.require_continues(before.to_json())
    data = build.training_data(config) if sets[0] is None else sets[0]
    evaluation = build.evaluation_data(config) if sets[1] is None else build.spread(sets[1], config.evaluation_images)
    build.require_fit(config, data, 1)
    # A covariance, whose rank is recorded, needs two codes.
    build.require_fit(config, evaluation, 2)
    total = build.total_steps(config, len(data))
    model, optimizer = build.make_model(config).to(device), build.make_optimizer(config, total)
    data, evaluation = build.batches_for(model, data), build.batches_for(model, evaluation)
    rng = noise_generator(config.seed)
    objective = build.make_objective(config) if objective is None else objective
    run = Run(Path(directory), config)
    return Session(run, before, model, optimizer, rng, data, evaluation, objective, total, progress)


def _computed_by(config: TrainingConfig) -> str:
    """The engine and the workers of a configuration, for a message."""
    return f"the engine {config.engine} with {config.workers} worker{'s' if config.workers > 1 else ''}"
