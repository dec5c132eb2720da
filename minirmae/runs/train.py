"""The front door of training: check everything, make or open the runs, and take their steps to the end.

The file reads downwards. `train` and `train_together` are what one calls;
`_train` begins or restores the runs; `_take_steps` is the loop over sessions
to their end, a divergence or Ctrl-C; `_step_by_step` and `_captured` are the
two ways in which steps are computed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

from minirmae.data import Dataset
from minirmae.engine import installed
from minirmae.loop import Step, steps_of, training_steps
from minirmae.objectives import Objective
from minirmae.runs.config import TrainingConfig
from minirmae.runs.console import Progress
from minirmae.runs.directory import Run, create_run, require_new
from minirmae.runs.session import Session, prepare
from minirmae.runs.signals import TrainingInterrupted, deferred_signals, locked
from minirmae.step import NonFiniteLoss

Rows = Generator[tuple[Step, ...]]
Loop = Callable[[Callable[[int], int], Callable[[], bool]], Rows]
"""Takes the steps that are left, and yields each as one `Step` a session.

A loop may run ahead of the sessions' models, as on a GPU. It is given two
functions: from a number of steps taken to the next number at which the models
are needed, and whether they are wanted as soon as possible. The models are
those of a step exactly if the session's optimiser has taken as many steps.
"""


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
    engine: str | None = None,
) -> Run:
    """Train what `config` describes in the run directory `directory`, and return the finished run.

    Args:
        config: what to train; None, with `resume`, takes the configuration that is in the directory.
        directory: where the run will be, new or empty; or, with `resume`, where it is.
        resume: resume the run in `directory`, or begin it if there is none. `config` must be the run's own, except
            for its length (with the cosine schedule this is fixed too) and its engine.
        progress: reports to a person; None is silent.
        objective: what to minimise; None is the one that the configuration names.
        training_set, evaluation_set: images to use in place of those that the configuration names.
        device: where to compute, "cpu", "cuda" or "cuda:N"; a run may be resumed on another device.
            On a GPU the engine "fast" captures the step as one CUDA graph, if it can.
        precision: of that graph's products, "tf32" or "float32".
        engine: "fast" or "reference" in place of the configuration's. If a run is resumed with another engine than
            before, config.json is changed, the reference takes one worker, and a line on standard error says
            what that means.

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
    session = prepare(config, directory, resume, progress, device, engine, objective, sets)
    _train([session], progress, precision)
    return session.run


def train_together(
    configs: Sequence[TrainingConfig | None],
    directories: Sequence[str | os.PathLike[str]],
    *,
    resume: bool = False,
    progress: Progress | None = None,
    device: str = "cpu",
    precision: str = "tf32",
    engine: str | None = None,
) -> list[Run]:
    """Train several configurations, each in a run directory of its own, and return the finished runs.

    On a GPU they take their steps at the same time, if there is a captured
    step for them; otherwise one is trained after the other. Each ends as if
    trained alone, bit for bit.

    Args:
        configs, directories: as `train` takes them, one a run. On a GPU all configurations must be equal but for
            the seed and the architecture, and resumed runs must have taken equally many steps.
        resume, progress, device, precision, engine: as of `train`.

    Raises what `train` raises, and ValueError for runs that cannot be trained together.
    """
    if not configs or len(configs) != len(directories):
        raise ValueError(f"train: got {len(configs)} configurations for {len(directories)} directories")
    if len({Path(directory).resolve() for directory in directories}) < len(directories):
        raise ValueError("train: every run needs a directory of its own")
    for directory in directories:
        if not resume:
            require_new(directory)
    sessions = [prepare(c, d, resume, progress, device, engine) for c, d in zip(configs, directories, strict=True)]
    if device != "cpu":
        _require_alike(sessions)
    _train(sessions, progress, precision)
    return [session.run for session in sessions]


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


def _train(sessions: Sequence[Session], progress: Progress | None, precision: str) -> None:
    """Begin or restore all sessions, and take their steps: at the same time if a GPU can, else one after another."""
    directories = [session.run.directory for session in sessions]
    for session in sessions:
        if session.before is None:
            create_run(session.run.directory, session.run.config)
    with ExitStack() as held:
        if progress:
            held.callback(progress.end)
        for session in sessions:
            held.enter_context(locked(session.run.directory))
            session.start()
        captured = _captured(sessions, precision)
        if captured is not None:
            _take_steps(sessions, captured, progress, directories)
            return
        for session in sessions:
            _take_steps([session], _step_by_step(session), progress, directories)


def _take_steps(sessions: Sequence[Session], loop: Loop, progress: Progress | None, resume: Sequence[Path]) -> None:
    """Take the steps that are left to `sessions`, which stand at the same step.

    `resume` are the directories of all runs to resume after an interruption. Raises what `train` raises.
    """
    first = sessions[0]
    if progress:
        progress.begin(first.total, first.optimizer.steps)
    try:
        with deferred_signals() as request:
            with closing(loop(first.next_due, request.received)) as rows:
                for row in rows:
                    if progress:
                        progress.update(_summary(row))
                    for session, step in zip(sessions, row, strict=True):
                        session.after(step)
                    if request.received() and first.optimizer.steps == row[0].number:
                        break
            if request.signal is not None:
                for session in sessions:
                    session.save()
                again = f"minirmae train --resume {' '.join(map(str, resume))}"
                message = f"stopped and saved at step {first.optimizer.steps} of {first.total}; resume with: {again}"
                raise TrainingInterrupted(message, request.signal)
    except NonFiniteLoss as error:
        kept = ", ".join(f"that of step {session.saved_step} in {session.run.directory}" for session in sessions)
        error.args = (f"{error} The last good checkpoint is kept: {kept}.",)
        raise


def _summary(row: tuple[Step, ...]) -> Step:
    """What a person sees of a step of several models: the mean loss, and all their images."""
    return replace(row[0], loss=sum(step.loss for step in row) / len(row), images=sum(step.images for step in row))


def _step_by_step(session: Session) -> Loop:
    """Return the ordinary loop for one session; it is never ahead of the model."""
    config = session.run.config

    def loop(until: object, interrupted: object) -> Rows:
        steps = training_steps(
            session.model,
            session.data,
            session.optimizer,
            steps=session.total - session.optimizer.steps,
            batch_size=config.batch_size,
            seed=config.seed,
            objective=session.objective,
            rng=session.rng,
            # A GPU needs no workers, but a run that began with some may be resumed there.
            workers=config.workers if session.model.device == "cpu" else 1,
            engine=config.engine,
        )
        with closing(steps):
            for step in steps:
                yield (step,)

    return loop


def _captured(sessions: Sequence[Session], precision: str) -> Loop | None:
    """Return the loop with one captured step for all sessions; None on a CPU and with the engine "reference".

    Also None, with a warning, if there is no captured step for the models or the objective.

    Raises ValueError if they have not taken equally many steps, DeviceError if the GPU's memory does not suffice.
    """
    first = sessions[0]
    if first.model.device == "cpu" or first.run.config.engine == "reference" or not installed():
        return None
    from minirmae.engines.cuda.network import NotCapturable
    from minirmae.engines.cuda.replicas import Replicas
    from minirmae.engines.cuda.training import steps_together, warn_op_by_op

    taken = sorted({session.optimizer.steps for session in sessions})
    if len(taken) > 1:
        raise ValueError(
            f"train: runs are resumed together from one step, but these have taken {' and '.join(map(str, taken))}; "
            "resume those that are behind first"
        )
    try:
        replicas = Replicas(
            [session.model for session in sessions],
            [session.data for session in sessions],
            [session.optimizer for session in sessions],
            batch_size=first.run.config.batch_size,
            seeds=[session.run.config.seed for session in sessions],
            objective=first.objective,
            precision=precision,
            names=[str(session.run.directory) if len(sessions) > 1 else "" for session in sessions],
        )
    except NotCapturable as error:
        warn_op_by_op(error)
        return None
    left = first.total - first.optimizer.steps
    return lambda until, interrupted: steps_of(
        replicas, steps_together(replicas, left, until=until, interrupted=interrupted)
    )
