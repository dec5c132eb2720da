"""What a person sees of a comparison: in a terminal one line, rewritten in place; elsewhere a line for each task."""

from __future__ import annotations

import os
import sys
from typing import Protocol, TextIO


class Reporter(Protocol):
    """Tells a person where all tasks stand."""

    def running(self, tasks: dict[str, str]) -> None:
        """Show the tasks that run, by name, and where each stands."""
        ...

    def done(self, name: str, how: str) -> None:
        """A task has ended, "done" or "diverged"."""
        ...


class TerminalReporter:
    """Writes to `stream`, the standard error if None."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._terminal = self._stream.isatty()
        self._finished = 0

    def running(self, tasks: dict[str, str]) -> None:
        """Show what runs, in a terminal only."""
        if self._terminal and tasks:
            line = f"{self._finished} done  " + "  ".join(f"{name}: {at}" for name, at in tasks.items())
            self._stream.write("\r" + line[: self._columns() - 1] + "\x1b[K")
            self._stream.flush()

    def done(self, name: str, how: str) -> None:
        """Show that a task has ended."""
        self._finished += 1
        self._stream.write(("\r\x1b[K" if self._terminal else "") + f"{name}: {how}\n")
        self._stream.flush()

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or 80
        except (OSError, ValueError):
            return 80
