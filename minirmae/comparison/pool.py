"""Tasks side by side, each in a process of its own with one BLAS thread, so that J processes use J cores.

A signal to stop (Ctrl-C) is passed on once: trainings save their state and end,
other tasks just end, and what is finished stays. The processes are in a session
of their own, so that a terminal's Ctrl-C does not reach them twice.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from minirmae.comparison.reporter import Reporter
from minirmae.comparison.worker import DIVERGED
from minirmae.runs.signals import TrainingInterrupted, deferred_signals

_PACKAGES = Path(__file__).parents[2]
_ONE_THREAD = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
_COMMAND = (sys.executable, "-m", "minirmae.comparison.worker")
_WAIT = 0.2  # seconds until a signal is noticed


class TaskError(ValueError):
    """A task failed; the message is its own."""


@dataclass(frozen=True)
class Task:
    """One task: its name, the worker's arguments, and the names of the tasks that must be done before it."""

    name: str
    arguments: tuple[str, ...]
    needs: tuple[str, ...] = ()


@dataclass
class _Running:
    task: Task
    process: subprocess.Popen[bytes]
    errors: IO[bytes]
    at: str = "starting"
    rest: bytes = field(default=b"")


def run_tasks(tasks: Sequence[Task], out: Path, jobs: int, reporter: Reporter) -> dict[str, str]:
    """Run all tasks, at most `jobs` at a time, in their order as far as their needs allow.

    Returns the reasons of the trainings that diverged, by name; tasks that need one of them are left out.

    Raises:
        TaskError: a task failed; the others that ran have been stopped and have saved their state.
        TrainingInterrupted: SIGINT or SIGTERM arrived; likewise.
    """
    waiting = list(tasks)
    running: list[_Running] = []
    finished: set[str] = set()
    diverged: dict[str, str] = {}
    named = {task.name for task in tasks}
    with deferred_signals() as request, selectors.DefaultSelector() as outputs:
        try:
            while waiting or running:
                waiting = [task for task in waiting if not set(task.needs) & set(diverged)]
                ready = [task for task in waiting if set(task.needs) & named <= finished]
                for task in ready[: jobs - len(running)]:
                    waiting.remove(task)
                    running.append(_start(task, out, outputs))
                reporter.running({worker.task.name: worker.at for worker in running})
                _listen(outputs)
                if request.signal is not None:
                    raise TrainingInterrupted(
                        "stopped; what is finished is kept, the same command resumes", request.signal
                    )
                for worker in [worker for worker in running if worker.process.poll() is not None]:
                    running.remove(worker)
                    reason = _end(worker, outputs)
                    if reason is not None:
                        diverged[worker.task.name] = reason
                    finished.add(worker.task.name)
                    reporter.done(worker.task.name, "done" if reason is None else "diverged")
        finally:
            _stop(running, outputs)
    return diverged


def _start(task: Task, out: Path, outputs: selectors.BaseSelector) -> _Running:
    path = os.pathsep.join([str(_PACKAGES), *filter(None, [os.environ.get("PYTHONPATH")])])
    errors = tempfile.TemporaryFile()  # noqa: SIM115, closed in _close
    process = subprocess.Popen(
        [*_COMMAND, str(out), *task.arguments],
        env={**os.environ, **_ONE_THREAD, "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        start_new_session=True,
    )
    worker = _Running(task, process, errors)
    assert process.stdout is not None
    outputs.register(process.stdout, selectors.EVENT_READ, worker)
    return worker


def _listen(outputs: selectors.BaseSelector) -> None:
    """Read what the workers have written; wait for it a moment at most."""
    for key, _ in outputs.select(_WAIT):
        worker = key.data
        data = os.read(key.fd, 65536)
        if not data:
            outputs.unregister(key.fileobj)
            worker.process.wait()
            continue
        *lines, worker.rest = (worker.rest + data).split(b"\n")
        if lines:
            worker.at = json.loads(lines[-1])["at"]


def _end(worker: _Running, outputs: selectors.BaseSelector) -> str | None:
    """Close what belongs to an ended worker; return why it diverged, None if it did not."""
    status = worker.process.returncode
    worker.errors.seek(0)
    said = worker.errors.read().decode("utf-8", "replace").strip()
    _close(worker, outputs)
    if status == DIVERGED:
        return said
    if status != 0:
        # A traceback's last line says what happened; the rest is added as a note.
        last = said.splitlines()[-1] if said else f"ended with status {status}"
        error = TaskError(f"{worker.task.name}: {last}")
        if "Traceback" in said:
            error.add_note(said)
        raise error
    return None


def _stop(running: Sequence[_Running], outputs: selectors.BaseSelector) -> None:
    """Ask the workers that still run to stop, and wait for them; if that is interrupted too, kill them."""
    try:
        for worker in running:
            worker.process.terminate()
        for worker in running:
            worker.process.wait()
    finally:
        for worker in running:
            worker.process.kill()
            worker.process.wait()
            _close(worker, outputs)


def _close(worker: _Running, outputs: selectors.BaseSelector) -> None:
    stdout = worker.process.stdout
    assert stdout is not None
    if stdout in outputs.get_map():
        outputs.unregister(stdout)
    stdout.close()
    worker.errors.close()
