"""What a training must heed of the system around it: Ctrl-C, and other processes.

The first SIGINT or SIGTERM only asks: the loop stops at the next step, where
nothing is lost. A lock on the directory keeps a second process from training
the same run; the system releases it when the process ends, however it ends.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class TrainingInterrupted(KeyboardInterrupt):
    """Training was asked to stop and has saved its state; the message says how to resume it.

    Attributes:
        signal: the signal that asked, such as `signal.SIGINT`; by convention the exit status is 128 + signal.
    """

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal = signal_number


@dataclass
class Request:
    """A request to stop: the number of the signal that arrived, or None."""

    signal: int | None = None

    def received(self) -> bool:
        """Return whether a signal has arrived."""
        return self.signal is not None


@contextmanager
def deferred_signals() -> Iterator[Request]:
    """Within the block, the first SIGINT or SIGTERM is noted in the `Request` and nothing else happens.

    After that both signals have their former effect, so a second Ctrl-C quits
    at once. Signals that the process ignores stay ignored. Only the main
    thread may set handlers; in any other thread the block changes nothing.
    """
    request = Request()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    # None stands for a handler that was not set from Python, which Python could not put back.
    before = {number: handler for number, handler in handlers.items() if handler not in (None, signal.SIG_IGN)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, frame: FrameType | None) -> None:
        request.signal = number
        restore()

    try:
        for number in before:
            signal.signal(number, note)
        yield request
    finally:
        restore()


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the lock on `directory` within the block.

    On Windows, and on network file systems without locks, the block runs without one.
    Raises BlockingIOError if another process, or this one, holds the lock.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    descriptor = os.open(directory, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BlockingIOError(error.errno, f"{directory}: another process is training this run") from error
        except OSError:
            pass  # this file system has no locks
        yield
    finally:
        os.close(descriptor)
