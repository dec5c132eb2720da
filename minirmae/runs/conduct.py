"""Sessions whose steps are taken together, to their end, to a divergence or to Ctrl-C; nothing is lost in any case."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from minirmae.runs.interrupt import TrainingInterrupted, deferred_signals
from minirmae.loop import Step
from minirmae.runs.loops import Loop
from minirmae.runs.progress import Progress
from minirmae.runs.session import Session
from minirmae.step import NonFiniteLoss


def conduct(sessions: Sequence[Session], loop: Loop, progress: Progress | None, resume: Sequence[Path]) -> None:
    """Train `sessions`, which have been begun or restored, as far as each other, and have equal configurations
    but for what makes them differ in their weights.

    Args:
        resume: all runs that somebody who was interrupted should go on with.

    Raises what `minirmae.runs.train` says.
    """
    first = sessions[0]
    if progress:
        progress.begin(first.total, first.optimizer.steps)
    try:
        with deferred_signals() as request:
            with closing(loop(first.next_look, request.came)) as rows:
                for row in rows:
                    if progress:
                        progress.update(_summary(row))
                    for session, step in zip(sessions, row, strict=True):
                        session.after(step)
                    if request.came() and first.optimizer.steps == row[0].number:
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


def _summary(row: tuple[Step, ...]) -> Step:
    """What a person sees of a step of several models: the mean loss, and all their images."""
    return replace(row[0], loss=sum(step.loss for step in row) / len(row), images=sum(step.images for step in row))
