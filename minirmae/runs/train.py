"""The front door of training: check everything, make or open the run, and train it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from minirmae.data import Dataset
from minirmae.loop import noise_generator
from minirmae.objectives import Objective
from minirmae.runs.build import (
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
from minirmae.runs.config import TrainingConfig
from minirmae.runs.console import Progress
from minirmae.runs.directory import Run, create_run, is_run, open_run, require_new
from minirmae.runs.session import Session
from minirmae.runs.signals import locked
from minirmae.runs.steps import on_a_card, step_by_step, take_steps


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
    precision: str = "tf32",
) -> Run:
    """Train what `config` describes in the run directory `directory`, and return the finished run.

    Args:
        config: what to train; None, with `resume`, takes the configuration that is in the directory.
        directory: where the run will be, new or empty; or, with `resume`, where it is.
        resume: go on with the run in `directory`, or begin it if there is none. `config`
            must be the run's own, except that steps or epochs may differ to train for longer (not with the cosine
            schedule, which is laid out to its end), and the engine, which is said on the standard error.
        progress: reports to a person; None is silent.
        objective: what to minimise; None is the one that the configuration names.
        training_set, evaluation_set: images to use in place of those that the configuration names.
        device: where to compute, "cpu", "cuda" or "cuda:N"; a run may go on on another device than it began on.
            On a card the step is one CUDA graph where that can be (`minirmae.loop.captured_steps`).
        precision: of that graph's products, "tf32" or "float32".

    Raises:
        ValueError or TypeError: data that cannot be used or do not fit the model (nothing
            has been written); `RunError`, `CheckpointError` or `HistoryError` for a
            directory that cannot be used (nothing has been changed).
        NonFiniteLoss: the training diverged; the last good checkpoint is kept.
        OSError: the directory cannot be written, or another process is training the
            run (BlockingIOError); the last checkpoint is kept.
        TrainingInterrupted: SIGINT (Ctrl-C) or SIGTERM arrived, and the state has been saved.
    """
    sets = training_set, evaluation_set
    session, saved = _prepare(config, directory, resume, progress, device, objective, sets)
    _train([session], [saved], progress, precision)
    return session.run


def train_together(
    configs: Sequence[TrainingConfig | None],
    directories: Sequence[str | os.PathLike[str]],
    *,
    resume: bool = False,
    progress: Progress | None = None,
    device: str = "cpu",
    precision: str = "tf32",
) -> list[Run]:
    """Train several configurations, each in a run directory of its own, and return the finished runs.

    On a card they take their steps at the same time, if there is a captured
    step for them; otherwise one is trained after the other. Each ends as if
    trained alone, bit for bit.

    Args:
        configs, directories: as `train` takes them, one a run. On a card all configurations must be equal but for
            the seed and the architecture, and resumed runs must have taken equally many steps.
        resume, progress, device, precision: as of `train`.

    Raises what `train` raises, and ValueError for runs that cannot go together.
    """
    if not configs or len(configs) != len(directories):
        raise ValueError(f"train: got {len(configs)} configurations for {len(directories)} directories")
    if len({Path(directory).resolve() for directory in directories}) < len(directories):
        raise ValueError("train: every run needs a directory of its own")
    for directory in directories:
        if not resume:
            require_new(directory)
    prepared = [_prepare(c, d, resume, progress, device) for c, d in zip(configs, directories, strict=True)]
    sessions, saved = [session for session, _ in prepared], [saved for _, saved in prepared]
    if device != "cpu":
        _require_alike(sessions)
    _train(sessions, saved, progress, precision)
    return [session.run for session in sessions]


def _prepare(
    config: TrainingConfig | None,
    directory: str | os.PathLike[str],
    resume: bool,
    progress: Progress | None,
    device: str,
    objective: Objective | None = None,
    sets: tuple[Dataset | None, Dataset | None] = (None, None),
) -> tuple[Session, TrainingConfig | None]:
    """Check everything, and return the session with the configuration that is in its directory, if there is one.

    Nothing is written.
    """
    saved = open_run(directory).config if resume and (config is None or is_run(directory)) else None
    if config is None:
        if saved is None:
            raise TypeError("train: config may be None only with resume=True")
        config = saved
    if saved is not None:
        config.require_continues(saved.to_json())
        if config.engine != saved.engine:
            print(
                f"{directory}: was trained by the engine {saved.engine} and goes on with {config.engine}, by "
                f"{config.workers} of {saved.workers} processes: numbers agree up to rounding, bits will differ",
                file=sys.stderr,
            )
    training_set, evaluation_set = sets
    data = training_data(config) if training_set is None else training_set
    evaluation = evaluation_data(config) if evaluation_set is None else spread(evaluation_set, config.evaluation_images)
    require_fit(config, data, 1)
    # A covariance, whose rank is recorded, needs two codes.
    require_fit(config, evaluation, 2)
    total = total_steps(config, len(data))
    model, optimizer = make_model(config).to(device), make_optimizer(config, total)
    data, evaluation = batches_for(model, data), batches_for(model, evaluation)
    rng = noise_generator(config.seed)
    objective = make_objective(config) if objective is None else objective
    run = Run(Path(directory), config)
    return Session(run, model, optimizer, rng, data, evaluation, objective, total, progress), saved


def _train(
    sessions: Sequence[Session],
    saved: Sequence[TrainingConfig | None],
    progress: Progress | None,
    precision: str,
) -> None:
    """Begin or restore all sessions, and take their steps: at the same time if a card can, else one after another."""
    directories = [session.run.directory for session in sessions]
    for session, before in zip(sessions, saved, strict=True):
        if before is None:
            create_run(session.run.directory, session.run.config)
    with ExitStack() as held:
        if progress:
            held.callback(progress.end)
        for session, before in zip(sessions, saved, strict=True):
            held.enter_context(locked(session.run.directory))
            if session.run.checkpoint_path.exists():
                session.restore()
            else:
                session.begin()
            if before is not None and session.run.config != before:
                session.run.write_config()
        captured = sessions[0].model.device != "cpu" and sessions[0].run.config.engine == "fast"
        together = on_a_card(sessions, precision) if captured else None
        if together is not None:
            take_steps(sessions, together, progress, directories)
            return
        for session in sessions:
            take_steps([session], step_by_step(session), progress, directories)


def _require_alike(sessions: Sequence[Session]) -> None:
    """Raise ValueError unless the sessions' configurations differ in seed and model only."""
    first = sessions[0].run.config
    for session in sessions[1:]:
        config = replace(session.run.config, seed=first.seed, model=first.model)
        if config != first or session.total != sessions[0].total:
            raise ValueError(
                "train: runs that train together must be equal but for seed and architecture; "
                f"{session.run.directory} is not like {sessions[0].run.directory}"
            )
