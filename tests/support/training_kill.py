"""Kill trainings at random moments, and see that each one ends as if it had been left alone.

Run as a program: `python training_kill.py DIRECTORY KILLS SEED`. Every
training is a process of its own, forked to save the time of starting Python,
and killed with SIGKILL, which nothing can catch. A moment is a random number
of steps and then a random fraction of a step, so that the kills are spread
however busy the machine is. Checkpoints are written after every step, so that
many of the kills fall into the writing of one.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np
from training_tiny import register, timeless, tiny_config

from minirmae.runs import Progress, open_run, train
from minirmae.runs.directory import is_run

STEPS = 80
CONFIG = dict(steps=STEPS, checkpoint_every=1, evaluate_every=10, log_every=3)


class Ticks(Progress):
    """Writes a byte to a pipe at the beginning and after each step."""

    def __init__(self, descriptor):
        super().__init__()
        self.descriptor = descriptor

    def begin(self, total, done):
        super().begin(total, done)
        if total:
            os.write(self.descriptor, b".")

    def update(self, step):
        os.write(self.descriptor, b".")


def start(directory):
    """Begin the run in `directory`, or go on with it, in a child; return its number and the end of its pipe."""
    receiver, sender = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(receiver)
            train(tiny_config(**CONFIG), directory, resume=True, progress=Ticks(sender))
            status = 0
        finally:
            os._exit(status)
    os.close(sender)
    return child, receiver


def finish(directory):
    """Begin the run in `directory`, or go on with it, to its end."""
    child, receiver = start(directory)
    while os.read(receiver, 4096):
        pass
    os.close(receiver)
    _, status = os.waitpid(child, 0)
    assert status == 0, f"the training of {directory} failed"


def killed(directory, ticks, delay):
    """Go on with the run, kill it `delay` seconds after its so many ticks, and return whether it still lived."""
    child, receiver = start(directory)
    for _ in range(ticks):
        os.read(receiver, 1)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    os.close(receiver)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or status == 0, f"the training of {directory} failed"
    return os.WIFSIGNALED(status)


def state(directory):
    """All that a run has come to, in a comparable form."""
    run = open_run(directory)
    checkpoint = run.checkpoint()
    moments = {name: np.asarray(vector).tobytes() for name, vector in checkpoint.optimizer.items()}
    return checkpoint.step, checkpoint.values.tobytes(), moments, checkpoint.generator, timeless(run.history())


def main(directory, kills, seed):
    register()
    rng = random.Random(seed)
    began = time.perf_counter()
    finish(directory / "whole")
    step_seconds = (time.perf_counter() - began) / STEPS
    expected = state(directory / "whole")
    seen = {"kills": 0, "half_written": 0, "steps": []}
    for number in range(kills):
        target = directory / str(number)
        finished = False
        while not finished and seen["kills"] < kills:
            finished = not killed(target, rng.randrange(12), rng.uniform(0, 2 * step_seconds))
            seen["kills"] += not finished
            seen["half_written"] += any(target.glob(".*.tmp"))
            if is_run(target):
                run = open_run(target)
                run.history()
                if run.checkpoint_path.exists():
                    seen["steps"].append(run.checkpoint().step)
                    run.model()
        finish(target)
        assert state(target) == expected, f"run {target} differs from the uninterrupted one"
        assert not list(target.glob(".*.tmp")), "temporary files are left"
        if seen["kills"] == kills:
            break
    print(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
