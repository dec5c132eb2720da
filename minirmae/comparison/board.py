"""What a person sees of a comparison: in a terminal one line, rewritten in place; elsewhere a line a piece."""

from __future__ import annotations

import os
import sys
from typing import TextIO


class TerminalBoard:
    """Reports pieces of work to a person; `stream` is the standard error if None."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._terminal = self._stream.isatty()
        self._finished = 0

    def running(self, pieces: dict[str, str]) -> None:
        """Show what runs, in a terminal only."""
        if self._terminal and pieces:
            line = f"{self._finished} done  " + "  ".join(f"{name}: {at}" for name, at in pieces.items())
            self._stream.write("\r" + line[: self._columns() - 1] + "\x1b[K")
            self._stream.flush()

    def done(self, name: str, how: str) -> None:
        """Show that a piece has ended."""
        self._finished += 1
        self._stream.write(("\r\x1b[K" if self._terminal else "") + f"{name}: {how}\n")
        self._stream.flush()

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or 80
        except (OSError, ValueError):
            return 80
