"""One trainer to a run: a lock on the directory, which the system lifts when the process ends, however it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the lock on `directory` within the block.

    On Windows, and on network file systems without locks, the block just runs:
    training there is better than not training. Raises BlockingIOError if
    another process, or this one, holds the lock.
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
