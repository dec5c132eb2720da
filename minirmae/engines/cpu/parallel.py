"""Work on several cores: processes that share the model's memory, each with a BLAS that uses one thread.

Python threads do not help here: handing over the interpreter's lock costs as
much as a small operation does, and a training step has hundreds of them.
Forked processes run side by side without it. What they exchange lies in memory
that all of them see (`pages.shared_copy`); pipes only say when to begin and when all
is done. Each worker's part is fixed by its rank, and results are combined in
the order of the ranks, so one number of workers gives the same bits every time.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, Generic, TypeVar

from minirmae.engines.cpu import blas
from minirmae.validation import require_positive_int

VECTOR_BLOCK = 1 << 15
"""Entries of a vector worked on at a time."""

AWAKE = 0.05
"""Seconds that a process looks for a message before it sleeps.

A core that has slept may take as long again to work at full speed, on a virtual machine above all, and in
training the next message is never far.
"""

T = TypeVar("T")


def cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_workers(batch_size: int) -> int:
    """Return how many processes are worth sharing batches of `batch_size` images: a core and 8 images each."""
    return max(1, min(cores(), batch_size // 8)) if hasattr(os, "fork") else 1


def blocks(start: int, stop: int) -> list[slice]:
    """Cut a stretch of a vector into slices small enough for a core's cache."""
    return [slice(i, min(i + VECTOR_BLOCK, stop)) for i in range(start, stop, VECTOR_BLOCK)]


class Team(Generic[T]):
    """Processes that do one kind of work together: this one, of rank 0, and `size - 1` forked from it.

    Args:
        size: number of processes.
        work: called as `work(rank, message)` in each process; what it returns travels through a pipe.

    Use it as a context manager: leaving ends the workers. They also end when this
    process does, however it ends. Interrupts are left to this process.

    Raises:
        ValueError: `size` is no positive integer, or above 1 on a system that cannot fork.
    """

    def __init__(self, size: int, work: Callable[[int, Any], T]) -> None:
        require_positive_int("Team", size=size)
        if size > 1 and not hasattr(os, "fork"):
            raise ValueError("Team: this system cannot fork processes; use 1 worker")
        self.size, self.work = size, work
        self._pipes: list[tuple[int, int, int]] = []
        for rank in range(1, size):
            self._pipes.append(self._fork(rank))

    def run(self, messages: Sequence[Any]) -> list[T]:
        """Return `[work(rank, messages[rank]) for every rank]`, computed side by side.

        Raises what any of them raised; after that the team is of no more use.
        """
        try:
            for (_, _, to_worker), message in zip(self._pipes, messages[1:], strict=True):
                _write(to_worker, pickle.dumps(message, pickle.HIGHEST_PROTOCOL))
            with blas.one_thread() if self._pipes else nullcontext():
                results = [self.work(0, messages[0])]
            for rank, (_, from_worker, _) in enumerate(self._pipes, 1):
                reply = _read(from_worker)
                if reply is None:
                    raise RuntimeError(f"worker {rank} of {self.size} has died; was memory short?")
                ok, result = pickle.loads(reply)
                if not ok:
                    raise result
                results.append(result)
        except BaseException:
            self.close()
            raise
        return results

    @property
    def processes(self) -> tuple[int, ...]:
        """The workers' process numbers."""
        return tuple(process for process, _, _ in self._pipes)

    def close(self) -> None:
        """End the workers."""
        for process, from_worker, to_worker in self._pipes:
            os.close(to_worker)
            os.close(from_worker)
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
        self._pipes = []

    def __enter__(self) -> Team[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _fork(self, rank: int) -> tuple[int, int, int]:
        """Start worker `rank`; return its process, the pipe from it and the pipe to it."""
        from_main, to_worker = _pipe()
        from_worker, to_main = _pipe()
        process = os.fork()
        if process == 0:
            # A pipe ends only when the last process that could write to it has let go of it.
            for _, other_from, other_to in [*self._pipes, (0, from_worker, to_worker)]:
                os.close(other_from)
                os.close(other_to)
            status = 1
            try:
                self._serve(rank, from_main, to_main)
                status = 0
            finally:
                os._exit(status)
        os.close(from_main)
        os.close(to_main)
        return process, from_worker, to_worker

    def _serve(self, rank: int, from_main: int, to_main: int) -> None:
        """Work on messages until there are no more."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        blas.set_threads(1)
        while (text := _read(from_main)) is not None:
            try:
                reply = pickle.dumps((True, self.work(rank, pickle.loads(text))))
            except Exception as error:
                reply = pickle.dumps((False, error))
            _write(to_main, reply)


def _pipe() -> tuple[int, int]:
    """A pipe, the end to read and the end to write; the latter does not wait for room."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    return reading, writing


def _write(pipe: int, text: bytes) -> None:
    rest = memoryview(len(text).to_bytes(8, "little") + text)
    while rest:
        try:
            rest = rest[os.write(pipe, rest) :]
        except BlockingIOError:
            _await(pipe, select.POLLOUT)
        except BrokenPipeError:
            return  # whoever reads has died, which the next read tells


def _read(pipe: int) -> bytes | None:
    """The next text, or None if there will be none."""
    length = _read_bytes(pipe, 8)
    return None if length is None else _read_bytes(pipe, int.from_bytes(length, "little"))


def _read_bytes(pipe: int, count: int) -> bytes | None:
    text = b""
    while len(text) < count:
        _await(pipe, select.POLLIN)
        piece = os.read(pipe, count - len(text))
        if not piece:
            return None
        text += piece
    return text


def _await(pipe: int, event: int) -> None:
    """Return when `pipe` is ready for `event`, or broken; sleep only after `AWAKE` seconds."""
    poll = select.poll()
    poll.register(pipe, event)
    deadline = time.monotonic() + AWAKE
    while not poll.poll(0):
        if time.monotonic() > deadline:
            poll.poll()
            return
        os.sched_yield()
