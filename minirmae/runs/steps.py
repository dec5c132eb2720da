"""How sessions take their steps: op by op or captured on a GPU, to the end, to a divergence or to Ctrl-C.

Nothing is lost in any case.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from minirmae.loop import Step, steps_of, training_steps
from minirmae.runs.console import Progress
from minirmae.runs.session import Session
from minirmae.runs.signals import TrainingInterrupted, deferred_signals
from minirmae.step import NonFiniteLoss

Rows = Generator[tuple[Step, ...]]
Loop = Callable[[Callable[[int], int], Callable[[], bool]], Rows]
"""Takes the steps that are left, and yields each as one `Step` a session.

A loop may run ahead of the sessions' models, as on a card. It is told at which
steps they are needed (for a number of steps taken, the next such number), and
asks whether they are wanted soon; they are those of a step exactly if the
session's optimiser has taken as many.
"""


def take_steps(sessions: Sequence[Session], loop: Loop, progress: Progress | None, resume: Sequence[Path]) -> None:
    """Train `sessions`, begun or restored, which stand at one step and whose configurations differ only in the weights.

    Args:
        resume: all runs that somebody who was interrupted should go on with.

    Raises what `minirmae.runs.train` says.
    """
    first = sessions[0]
    if progress:
        progress.begin(first.total, first.optimizer.steps)
    try:
        with deferred_signals() as request:
            with closing(loop(first.next_look, request.arrived)) as rows:
                for row in rows:
                    if progress:
                        progress.update(_summary(row))
                    for session, step in zip(sessions, row, strict=True):
                        session.after(step)
                    if request.arrived() and first.optimizer.steps == row[0].number:
                        break
            if request.signal is not None:
                for session in sessions:
                    session.save()
                again = f"minirmae train --resume {' '.join(map(str, resume))}"
                message = f"stopped and saved at step {first.optimizer.steps} of {first.total}; go on with: {again}"
                raise TrainingInterrupted(message, request.signal)
    except NonFiniteLoss as error:
        kept = ", ".join(f"of step {session.saved_step}, is kept in {session.run.directory}" for session in sessions)
        error.args = (f"{error} The last good checkpoint, {kept}.",)
        raise


def step_by_step(session: Session) -> Loop:
    """Return the ordinary loop for one session, by its engine; it is never ahead of the model."""
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
            # Their number is part of the configuration because of the last bits; a card does without.
            workers=config.workers if session.model.device == "cpu" and config.engine != "reference" else 1,
            engine=config.engine,
        )
        with closing(steps):
            for step in steps:
                yield (step,)

    return loop


def on_a_card(sessions: Sequence[Session], precision: str) -> Loop | None:
    """Return the loop with a captured step for all sessions; None, with a warning, if there is none for these.

    Raises ValueError if they have not taken equally many steps, DeviceError if the card's memory does not suffice.
    """
    # Those build on this package, and are needed with a card only.
    from minirmae.engines.cuda.network import NotCapturable
    from minirmae.engines.cuda.replicas import Replicas
    from minirmae.engines.cuda.training import steps_together, warn_op_by_op

    first = sessions[0]
    taken = sorted({session.optimizer.steps for session in sessions})
    if len(taken) > 1:
        raise ValueError(
            f"train: runs go on together from one step, but these have taken {' and '.join(map(str, taken))}; "
            "go on with those that are behind first"
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

    def loop(until: Callable[[int], int], interrupted: Callable[[], bool]) -> Rows:
        return steps_of(replicas, steps_together(replicas, left, until=until, interrupted=interrupted))

    return loop


def _summary(row: tuple[Step, ...]) -> Step:
    """What a person sees of a step of several models: the mean loss, and all their images."""
    return replace(row[0], loss=sum(step.loss for step in row) / len(row), images=sum(step.images for step in row))
