"""One task of a comparison, in a process of its own: `python -m minirmae.comparison.worker OUT KIND [METHOD SEED]`.

KIND is "features", "train" or "measure". Where the task stands is written to
standard output, one JSON object a line. The exit status is 0, `DIVERGED` if a
training's loss became infinite, or another number with the reason on standard
error. SIGTERM stops a training after it has saved its state.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from minirmae.comparison.features import make_features, open_features
from minirmae.comparison.measures import measure
from minirmae.comparison.paths import Paths
from minirmae.comparison.plan import Plan
from minirmae.files import atomic_write, write_text
from minirmae.runs import NonFiniteLoss, Progress, Step, TrainingInterrupted, open_run, train

DIVERGED = 3
"""Exit status of a training that diverged."""

_SECONDS_BETWEEN_LINES = 0.2


class _Lines(Progress):
    """Progress of a training as lines of JSON."""

    def begin(self, total: int, done: int) -> None:
        self._total, self._written = total, -float("inf")

    def update(self, step: Step) -> None:
        if time.monotonic() - self._written >= _SECONDS_BETWEEN_LINES:
            self._written = time.monotonic()
            say(f"step {step.number}/{self._total}")

    def note(self, text: str) -> None:
        pass

    def end(self) -> None:
        pass


def say(text: str) -> None:
    """Tell the process that started this one where the task stands."""
    print(json.dumps({"at": text}), flush=True)


def work(plan: Plan, paths: Paths, kind: str, method: str = "", seed: int = 0) -> None:
    """Do one task; raises what it raises."""
    if kind == "features":
        make_features(plan, paths, _Lines())
    elif kind == "train":
        train(plan.config(method, seed), paths.run(method, seed), resume=True, progress=_Lines())
    else:
        say("measuring")
        run = open_run(paths.run(method, seed))
        measured = measure(plan, run, method, open_features(paths), with_map=seed == 0)
        with atomic_write(paths.pictures(method, seed)) as file:
            arrays: dict[str, Any] = dict(measured.pictures)
            np.savez_compressed(file, **arrays)
        # Last, because a run with measures counts as measured.
        write_text(paths.measures(method, seed), json.dumps(measured.record, indent=1, allow_nan=False) + "\n")


def main(arguments: list[str]) -> int:
    """Do the task that the command line names; return the exit status."""
    paths = Paths(Path(arguments[0]))
    method, seed = (arguments[2], int(arguments[3])) if len(arguments) > 2 else ("", 0)
    try:
        work(paths.read_plan(), paths, arguments[1], method, seed)
    except TrainingInterrupted as interrupt:
        return 128 + interrupt.signal
    except NonFiniteLoss as error:
        print(error, file=sys.stderr)
        return DIVERGED
    except (ValueError, TypeError, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
