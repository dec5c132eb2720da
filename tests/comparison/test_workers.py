"""Processes side by side: order, needs, failures, divergence, interruption."""

import os
import signal
import sys

import pytest
from comparison_tiny import Memory

from minirmae.comparison import workers
from minirmae.comparison.worker import DIVERGED
from minirmae.comparison.workers import Piece, WorkError, run_all
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
    monkeypatch.setattr(workers, "_COMMAND", (sys.executable, "-S", "-c", SCRIPT))
    monkeypatch.setattr(workers, "_WAIT", 0.05)


def piece(name, status=0, wait="", needs=()):
    return Piece(name, (name, str(status), wait), needs)


def test_pieces_run_in_order_one_at_a_time(tmp_path):
    seen, board = [], Memory()
    board.watch = lambda pieces: seen.append(len(pieces))
    assert run_all([piece("a"), piece("b"), piece("c")], tmp_path, 1, board) == {}
    assert board.ended == [("a", "done"), ("b", "done"), ("c", "done")]
    assert max(seen) == 1


def test_several_run_side_by_side_and_needs_are_waited_for(tmp_path):
    # Each of the first two ends only when it sees the other; the third must not start before them.
    board = Memory()
    last = Piece("c", ("c", "0", ""), ("a", "b", "done long ago"))
    run_all([last, piece("a", wait="b"), piece("b", wait="a")], tmp_path, 2, board)
    assert board.ended[2] == ("c", "done")


def test_workers_say_where_they_are_and_use_one_thread(tmp_path):
    seen = []
    run_all([piece("a", wait="go")], tmp_path, 1, Memory(lambda p: (seen.append(dict(p)), (tmp_path / "go").touch())))
    assert {"a": "threads 1"} in seen


def test_a_failure_stops_the_others_and_tells_why(tmp_path):
    board = Memory()
    with pytest.raises(WorkError, match="bad: the reason"):
        run_all([piece("good", wait="never"), piece("bad", status=1, wait="good"), piece("late")], tmp_path, 2, board)
    assert (tmp_path / "good.stopped").exists()
    assert not (tmp_path / "late").exists()


def test_a_training_that_diverged_does_not_stop_the_others(tmp_path):
    board = Memory()
    pieces = [piece("a", status=DIVERGED), piece("measure a", needs=("a",)), piece("b")]
    assert run_all(pieces, tmp_path, 1, board) == {"a": "the reason"}
    assert board.ended == [("a", "diverged"), ("b", "done")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_passed_on_and_raised(tmp_path, number):
    def watch(pieces):
        if "a" in pieces and (tmp_path / "a").exists() and (tmp_path / "b").exists():
            os.kill(os.getpid(), number)

    with pytest.raises(TrainingInterrupted, match="go on with the same command") as caught:
        run_all([piece("a", wait="never"), piece("b", wait="never")], tmp_path, 2, Memory(watch))
    assert caught.value.signal == number
    assert (tmp_path / "a.stopped").exists()
    assert (tmp_path / "b.stopped").exists()
