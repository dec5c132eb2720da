"""One process's work on one run, loop apart: what comes before the first step, and whatever is due after each.

What is due comes always in the order training record, evaluation, checkpoint.
So a checkpoint of step n means that the history holds every record up to n,
and a run goes on by dropping the records after n. No result depends on when a
process stopped.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minirmae.data import Dataset, steps_per_epoch
from minirmae.engine import prepared
from minirmae.files import write_text
from minirmae.loop import Step
from minirmae.models.autoencoder import Autoencoder
from minirmae.models.classifier import Classifier
from minirmae.objectives import Objective
from minirmae.optimizers import Optimizer
from minirmae.runs import history
from minirmae.runs.checkpoint import save_checkpoint
from minirmae.runs.console import Meter, Progress
from minirmae.runs.directory import Run, RunError, explained, remove_leftovers
from minirmae.runs.evaluation import evaluate, evaluate_classifier


@dataclass
class Session:
    """Everything that training needs, as `train` has put it together; `total` is the number of steps at the end."""

    run: Run
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

    def restore(self) -> None:
        """Bring model, optimiser, generator and history to the run's last checkpoint.

        Raises RunError, before anything is changed, if the checkpoint is of another run.
        """
        checkpoint = self.run.checkpoint()
        try:
            meter, seconds = Meter(**checkpoint.extra["meter"]), float(checkpoint.extra["seconds"])
            config, data = checkpoint.extra["config"], checkpoint.extra["data"]
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"{self.run.checkpoint_path}: was not saved by a run (lacks {error})") from error
        self.run.config.require_continues(config)
        if data != self._data():
            raise RunError(
                f"{self.run.directory}: was trained on {data}, but got {self._data()}; "
                "a run goes on with the images it began with"
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

    def begin(self) -> None:
        """Evaluate the initial model, and save it: a first proof that there is room."""
        remove_leftovers(self.run.directory)
        with explained(f"cannot write a run into {self.run.directory}"):
            write_text(self.run.history_path, "")
        self._evaluate()
        self.save()

    def next_look(self, step: int) -> int:
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
        return f"{kept}; once the cause is removed, go on with: minirmae train --resume {self.run.directory}"

    def _seconds(self) -> float:
        """Time spent on the run so far, by all processes."""
        return time.perf_counter() - self._origin

    def _data(self) -> dict[str, Any]:
        """What identifies the training images, short of reading them all."""
        return {"name": self.data.name, "images": len(self.data), "shape": [int(size) for size in self.data.shape]}
