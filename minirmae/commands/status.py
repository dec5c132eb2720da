"""A line in the terminal that says what is being worked on, and leaves no trace."""

from __future__ import annotations

import shutil
import sys
from types import TracebackType
from typing import Self


class StatusLine:
    """One line on standard error, rewritten by each `show` and erased at the end; silent outside a terminal."""

    def __enter__(self) -> Self:
        return self

    def show(self, text: str) -> None:
        """Replace the line by `text`, cut to the terminal's width."""
        if sys.stderr.isatty():
            room = shutil.get_terminal_size().columns - 1
            print(f"\r{text[:room]}\x1b[K", end="", file=sys.stderr, flush=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.show("")
