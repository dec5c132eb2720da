"""The front door of training: check everything, make or open the run, and train it."""

from __future__ import annotations

import os
from pathlib import Path

from minirmae.data import Dataset
from minirmae.objectives import Objective
from minirmae.training.build import (
    batches_for,
    evaluation_data,
    make_model,
    make_objective,
    make_optimizer,
    require_fit,
    spread,
    total_steps,
    training_data,
)
from minirmae.training.config import TrainingConfig
from minirmae.training.lock import locked
from minirmae.training.loop import noise_generator
from minirmae.training.progress import Progress
from minirmae.training.run import Run, create_run, is_run, open_run
from minirmae.training.session import Session


def train(
    config: TrainingConfig | None,
    directory: str | os.PathLike[str],
    *,
    resume: bool = False,
    progress: Progress | None = None,
    objective: Objective | None = None,
    training_set: Dataset | None = None,
    evaluation_set: Dataset | None = None,
    device: str = "cpu",
) -> Run:
    """Train what `config` describes in the run directory `directory`, and return the finished run.

    Args:
        config: what to train; None, with `resume`, takes the configuration that is in the directory.
        directory: where the run will be, new or empty; or, with `resume`, where it is.
        resume: go on with the run in `directory`, or begin it if there is none. `config`
            must be the run's own, except that steps or epochs may differ to train for
            longer (not with the cosine schedule, which is laid out to its end).
        progress: reports to a person; None is silent.
        objective: what to minimise; None is the one that the configuration names.
        training_set, evaluation_set: images to use in place of those that the configuration names.
        device: where to compute, "cpu", "cuda" or "cuda:N"; a run may go on on another device than it began on.

    Raises:
        ValueError or TypeError: data that cannot be used or do not fit the model (nothing
            has been written); `RunError`, `CheckpointError` or `HistoryError` for a
            directory that cannot be used (nothing has been changed).
        NonFiniteLoss: the training diverged; the last good checkpoint is kept.
        OSError: the directory cannot be written, or another process is training the
            run (BlockingIOError); the last checkpoint is kept.
        TrainingInterrupted: SIGINT (Ctrl-C) or SIGTERM came, and the state has been saved.
    """
    saved = open_run(directory).config if resume and (config is None or is_run(directory)) else None
    if config is None:
        if saved is None:
            raise TypeError("train: config may be None only with resume=True")
        config = saved
    if saved is not None:
        config.require_continues(saved.to_json())
    data = training_data(config) if training_set is None else training_set
    evaluation = evaluation_data(config) if evaluation_set is None else spread(evaluation_set, config.evaluation_images)
    require_fit(config, data, 1)
    # A covariance, whose rank is recorded, needs two codes.
    require_fit(config, evaluation, 2)
    total = total_steps(config, len(data))
    model, optimizer = make_model(config).to(device), make_optimizer(config, total)
    data, evaluation = batches_for(model, data), batches_for(model, evaluation)
    run = create_run(directory, config) if saved is None else Run(Path(directory), config)
    rng = noise_generator(config.seed)
    objective = make_objective(config) if objective is None else objective
    session = Session(run, model, optimizer, rng, data, evaluation, objective, total, progress)
    with locked(run.directory):
        try:
            if run.checkpoint_path.exists():
                session.restore()
            else:
                session.begin()
            if saved is not None and config != saved:
                run.write_config()
            session.train()
        finally:
            if progress:
                progress.end()
    return run
