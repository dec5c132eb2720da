"""Processes side by side: order, needs, failures, divergence, interruption."""

import os
import signal
import sys

import pytest
from comparison_tiny import Memory

from minirmae.comparison import pool
from minirmae.comparison.pool import Task, TaskError, run_tasks
from minirmae.comparison.worker import DIVERGED
from minirmae.runs import TrainingInterrupted

# A worker that writes its name, waits for files to appear or for a signal, and ends with a status.
SCRIPT = """
import json, os, signal, sys, time
out, name, status, wait = sys.argv[1:]
def stop(number, frame):
    open(os.path.join(out, name + ".stopped"), "w").close()
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
print(json.dumps({"at": "threads " + os.environ["OPENBLAS_NUM_THREADS"]}), flush=True)
open(os.path.join(out, name), "w").close()
end = time.monotonic() + 20  # so that a test that fails leaves no process behind
while wait and not os.path.exists(os.path.join(out, wait)) and time.monotonic() < end:
    time.sleep(0.01)
if status != "0":
    print("the reason", file=sys.stderr)
sys.exit(int(status))
"""


@pytest.fixture(autouse=True)
def script(monkeypatch):
    monkeypatch.setattr(pool, "_COMMAND", (sys.executable, "-S", "-c", SCRIPT))
    monkeypatch.setattr(pool, "_WAIT", 0.05)


def task(name, status=0, wait="", needs=()):
    return Task(name, (name, str(status), wait), needs)


def test_pieces_run_in_order_one_at_a_time(tmp_path):
    seen, reporter = [], Memory()
    reporter.watch = lambda tasks: seen.append(len(tasks))
    assert run_tasks([task("a"), task("b"), task("c")], tmp_path, 1, reporter) == {}
    assert reporter.ended == [("a", "done"), ("b", "done"), ("c", "done")]
    assert max(seen) == 1


def test_several_run_side_by_side_and_needs_are_waited_for(tmp_path):
    # Each of the first two ends only when it sees the other; the third must not start before them.
    reporter = Memory()
    last = Task("c", ("c", "0", ""), ("a", "b", "done long ago"))
    run_tasks([last, task("a", wait="b"), task("b", wait="a")], tmp_path, 2, reporter)
    assert reporter.ended[2] == ("c", "done")


def test_workers_say_where_they_are_and_use_one_thread(tmp_path):
    def watch(tasks):
        # A worker may end at once after its last words, and what has ended is not shown: so it waits until it was seen.
        if tasks.get("a") == "threads 1":
            (tmp_path / "go").touch()

    run_tasks([task("a", wait="go")], tmp_path, 1, Memory(watch))
    assert (tmp_path / "go").exists()


def test_a_failure_stops_the_others_and_tells_why(tmp_path):
    reporter = Memory()
    with pytest.raises(TaskError, match="bad: the reason"):
        run_tasks([task("good", wait="never"), task("bad", status=1, wait="good"), task("late")], tmp_path, 2, reporter)
    assert (tmp_path / "good.stopped").exists()
    assert not (tmp_path / "late").exists()


def test_a_training_that_diverged_does_not_stop_the_others(tmp_path):
    reporter = Memory()
    tasks = [task("a", status=DIVERGED), task("measure a", needs=("a",)), task("b")]
    assert run_tasks(tasks, tmp_path, 1, reporter) == {"a": "the reason"}
    assert reporter.ended == [("a", "diverged"), ("b", "done")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_passed_on_and_raised(tmp_path, number):
    def watch(tasks):
        if "a" in tasks and (tmp_path / "a").exists() and (tmp_path / "b").exists():
            os.kill(os.getpid(), number)

    with pytest.raises(TrainingInterrupted, match="the same command resumes") as caught:
        run_tasks([task("a", wait="never"), task("b", wait="never")], tmp_path, 2, Memory(watch))
    assert caught.value.signal == number
    assert (tmp_path / "a.stopped").exists()
    assert (tmp_path / "b.stopped").exists()
