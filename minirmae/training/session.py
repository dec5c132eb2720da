"""One process's work on one run: the loop, and after each step whatever is due.

What is due comes always in the order training record, evaluation, checkpoint.
So a checkpoint of step n means that the history holds every record up to n,
and a run goes on by dropping the records after n. No result depends on when a
process stopped.
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minirmae.autoencoders import Autoencoder
from minirmae.classifier import Classifier
from minirmae.data import Dataset, steps_per_epoch
from minirmae.files import write_text
from minirmae.objectives import Objective
from minirmae.optimizers import Optimizer
from minirmae.training import history
from minirmae.training.checkpoint import save_checkpoint
from minirmae.training.evaluation import evaluate, evaluate_classifier
from minirmae.training.interrupt import TrainingInterrupted, deferred_signals
from minirmae.training.loop import Step, training_steps
from minirmae.training.meter import Meter
from minirmae.training.progress import Progress
from minirmae.training.run import Run, RunError, explained, remove_leftovers
from minirmae.training.step import NonFiniteLoss


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
    _saved_step: int = 0
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
                f"{self.run.directory}: was trained on {data}, but came {self._data()}; "
                "a run goes on with the images it began with"
            )
        if checkpoint.step > self.total:
            raise RunError(
                f"{self.run.directory}: has taken {checkpoint.step} steps, more than {self.total}; ask for more"
            )
        self.run.history()
        checkpoint.restore(self.model, self.optimizer, self.rng)
        self.meter, self._saved_step, self._origin = meter, checkpoint.step, time.perf_counter() - seconds
        remove_leftovers(self.run.directory)
        history.rewind(self.run.history_path, checkpoint.step)

    def begin(self) -> None:
        """Evaluate the initial model, and save it: a first proof that there is room."""
        remove_leftovers(self.run.directory)
        with explained(f"cannot write a run into {self.run.directory}"):
            write_text(self.run.history_path, "")
        self._evaluate()
        self._save()

    def train(self) -> None:
        """Take the steps that are left; raises as `minirmae.training.train` says."""
        config = self.run.config
        if self.progress:
            self.progress.begin(self.total, self.optimizer.steps)
        steps = training_steps(
            self.model,
            self.data,
            self.optimizer,
            steps=self.total - self.optimizer.steps,
            batch_size=config.batch_size,
            seed=config.seed,
            objective=self.objective,
            rng=self.rng,
            workers=config.workers,
        )
        try:
            with closing(steps), deferred_signals() as request:
                before = time.perf_counter()
                for step in steps:
                    self._after(step, time.perf_counter() - before)
                    if request.signal is not None:
                        break
                    before = time.perf_counter()
                if request.signal is not None:
                    self._stop(request.signal)
        except NonFiniteLoss as error:
            kept = f"The last good checkpoint, of step {self._saved_step}, is kept in {self.run.directory}."
            error.args = (f"{error} {kept}",)
            raise

    def _stop(self, signal: int) -> None:
        """Save and raise TrainingInterrupted."""
        step = self.optimizer.steps
        if self._saved_step != step:
            self._save()
        raise TrainingInterrupted(
            f"stopped and saved at step {step} of {self.total}; "
            f"go on with: minirmae train --resume {self.run.directory}",
            signal,
        )

    def _after(self, step: Step, seconds: float) -> None:
        """Report, record, evaluate and save what is due after `step`."""
        config, last = self.run.config, step.number == self.total
        self.meter.add(step, seconds)
        if self.progress:
            self.progress.update(step, seconds)
        if last or step.number % config.log_every == 0:
            self._record("train", learning_rate=step.learning_rate, **self.meter.means())
            self.meter = Meter()
        if last or step.number % config.evaluate_every == 0:
            self._evaluate()
        if last or step.number % config.checkpoint_every == 0:
            self._save()

    def _evaluate(self) -> None:
        if self.progress:
            self.progress.note(f"step {self.optimizer.steps}/{self.total}  evaluating")
        options: dict[str, Any] = {"batch_size": self.run.config.batch_size, "objective": self.objective}
        result = (
            evaluate_classifier(self.model, self.evaluation, **options)
            if isinstance(self.model, Classifier)
            else evaluate(self.model, self.evaluation, **options)
        )
        self._record("evaluation", **result.to_json())

    def _record(self, kind: str, **values: Any) -> None:
        """Add a record to the history."""
        step = self.optimizer.steps
        epoch = step / steps_per_epoch(len(self.data), self.run.config.batch_size)
        record = {"kind": kind, "step": step, "epoch": epoch, "seconds": self._seconds(), **values}
        with explained(f"cannot add to {self.run.history_path} at step {step}", self._advice()):
            history.append(self.run.history_path, record)

    def _save(self) -> None:
        step = self.optimizer.steps
        extra = {
            "config": self.run.config.to_json(),
            "data": self._data(),
            "meter": self.meter.to_json(),
            "seconds": self._seconds(),
        }
        with explained(f"cannot save the checkpoint of step {step} in {self.run.directory}", self._advice()):
            save_checkpoint(self.run.checkpoint_path, self.model, self.optimizer, self.rng, extra)
        self._saved_step = step

    def _advice(self) -> str:
        saved = self.run.checkpoint_path.exists()
        kept = f"the checkpoint of step {self._saved_step} is kept" if saved else "nothing is lost"
        return f"{kept}; once the cause is removed, go on with: minirmae train --resume {self.run.directory}"

    def _seconds(self) -> float:
        """Time spent on the run so far, by all processes."""
        return time.perf_counter() - self._origin

    def _data(self) -> dict[str, Any]:
        """What identifies the training images, short of reading them all."""
        return {"name": self.data.name, "images": len(self.data), "shape": [int(size) for size in self.data.shape]}
