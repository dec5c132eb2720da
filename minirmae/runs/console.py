"""What a person sees of a training, and what is counted for the records of its history.

`Progress` writes one line and rewrites it in place: step, loss, time left,
images per second, epoch. Where the output is no terminal (a pipe, a log file),
it prints one line an epoch and one at the end. `Meter` sums up the steps since
the last training record.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, TextIO

from minirmae.loop import Step

_SECONDS_BETWEEN_REDRAWS = 0.1
_SMOOTHING = 0.98  # weight of the past in the loss and speed shown: about the last 50 steps


class Progress:
    """Reports a training to a person.

    Args:
        label: written before everything else, to tell trainings apart.
        stream: where to write; None is the standard error.
        clock: seconds from any origin.
    """

    def __init__(
        self, label: str = "", *, stream: TextIO | None = None, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._label, self._clock = label, clock
        self._stream = sys.stderr if stream is None else stream
        self._terminal = self._stream.isatty()
        self.begin(0, 0)

    def begin(self, total: int, done: int) -> None:
        """Start the clock of a training of `total` steps, of which `done` were taken earlier."""
        self._total, self._first, self._start = total, done, self._clock()
        self._drawn = -float("inf")
        self._weight = self._loss = self._images = self._seconds = 0.0

    def update(self, step: Step) -> None:
        """Show `step`."""
        # Sums that forget: their ratios are weighted means without a bias at the start.
        self._weight = _SMOOTHING * self._weight + 1
        self._loss = _SMOOTHING * self._loss + step.loss
        self._images = _SMOOTHING * self._images + step.images
        self._seconds = _SMOOTHING * self._seconds + step.seconds
        finished = step.number >= self._total
        if not self._terminal:
            if step.ends_epoch or finished:
                self._stream.write(self._line(step) + "\n")
                self._stream.flush()
        elif finished or self._clock() - self._drawn >= _SECONDS_BETWEEN_REDRAWS:
            self._draw(self._line(step))

    def note(self, text: str) -> None:
        """Show in a terminal what happens between steps, such as an evaluation."""
        if self._terminal:
            self._draw(f"{self._label}  {text}" if self._label else text)

    def end(self) -> None:
        """Leave the last line standing; whatever is printed next begins a new one."""
        if self._terminal and self._drawn > -float("inf"):
            self._stream.write("\n")
            self._stream.flush()

    def _line(self, step: Step) -> str:
        """The line for `step`, most important first, because a narrow terminal cuts its end."""
        elapsed, taken = self._clock() - self._start, step.number - self._first
        # Evaluations and checkpoints recur, so they belong to the time left, but not to the speed.
        left = elapsed / taken * (self._total - step.number)
        parts = [
            f"step {step.number}/{self._total}",
            f"loss {self._loss / self._weight:.5f}",
            f"{_duration(left)} left" if step.number < self._total else f"{_duration(elapsed)} in all",
            f"{self._images / self._seconds:,.0f} images/s" if self._seconds > 0 else "",
            f"epoch {step.epoch + 1}",
        ]
        return "  ".join(part for part in (self._label, *parts) if part)

    def _draw(self, line: str) -> None:
        """Put `line` in place of the one before it."""
        # The last column stays free: a full line would wrap, and a wrapped line cannot be rewritten.
        room = max(_columns(self._stream) - 1, 0)
        self._stream.write("\r" + line[:room] + "\x1b[K")
        self._stream.flush()
        self._drawn = self._clock()


@dataclass
class Meter:
    """Sums over the steps since the last training record; they travel through checkpoints.

    Attributes:
        steps, images: how many.
        loss: sum of the steps' losses.
        seconds: time in steps, without evaluations and checkpoints.
    """

    steps: int = 0
    images: int = 0
    loss: float = 0.0
    seconds: float = 0.0

    def add(self, step: Step) -> None:
        """Count `step`."""
        self.steps += 1
        self.images += step.images
        self.loss += step.loss
        self.seconds += step.seconds

    def means(self) -> dict[str, Any]:
        """Return `loss`, the mean, and `images_per_second`."""
        return {"loss": self.loss / self.steps, "images_per_second": self.images / max(self.seconds, 1e-9)}

    def to_json(self) -> dict[str, Any]:
        """Return the sums as a dict that `json.dumps` takes."""
        return asdict(self)


def _columns(stream: TextIO) -> int:
    """Width of the terminal behind `stream`, 80 if it does not say."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def _duration(seconds: float) -> str:
    """Minutes and seconds, or hours, minutes and seconds.

    >>> _duration(75), _duration(3675)
    ('1:15', '1:01:15')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
