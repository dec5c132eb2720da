"""One line in a terminal, one line an epoch anywhere else; means over the steps since the last record."""

import io
import json
import re

import pytest

from minirmae.runs import Progress, Step, console
from minirmae.runs.console import Meter


class Terminal(io.StringIO):
    def isatty(self):
        return True


def play(stream, label="", steps=8, seconds=1.0):
    """Report `steps` steps of 3 images, 4 steps an epoch, each taking `seconds` by a false clock."""
    now = [0.0]
    shown = Progress(label, stream=stream, clock=lambda: now[0])
    shown.begin(steps, 0)
    for number in range(1, steps + 1):
        now[0] += seconds
        shown.update(Step(number, (number - 1) // 4, number % 4 == 0, 3, 0.25, 0.1, seconds))
    shown.end()
    return stream.getvalue()


def test_a_pipe_gets_a_line_an_epoch_and_one_at_the_end():
    lines = play(io.StringIO(), steps=10).splitlines()
    assert [line.split("  ")[0] for line in lines] == ["step 4/10", "step 8/10", "step 10/10"]
    assert lines[0] == "step 4/10  loss 0.25000  0:06 left  3 images/s  epoch 1"
    assert lines[-1] == "step 10/10  loss 0.25000  0:10 in all  3 images/s  epoch 3"


def test_a_pipe_gets_the_last_line_once():
    assert len(play(io.StringIO(), steps=8).splitlines()) == 2


def test_a_terminal_gets_one_line_rewritten(monkeypatch):
    monkeypatch.setattr(console, "_columns", lambda stream: 80)
    text = play(Terminal(), "l = 4")
    assert text.count("\n") == 1
    assert text.endswith("\n")
    draws = re.findall(r"\r([^\r\x1b]*)\x1b\[K", text)
    assert len(draws) == 8
    assert draws[1] == "l = 4  step 2/8  loss 0.25000  0:06 left  3 images/s  epoch 1"


def test_a_terminal_is_not_redrawn_more_often_than_an_eye_sees():
    assert play(Terminal(), steps=1000, seconds=0.001).count("\r") <= 12


@pytest.mark.parametrize("columns", [0, 1, 2, 10, 40])
def test_a_line_never_wraps(monkeypatch, columns):
    monkeypatch.setattr(console, "_columns", lambda stream: columns)
    for line in re.findall(r"\r([^\r\x1b]*)\x1b\[K", play(Terminal(), "a label")):
        assert len(line) <= max(columns - 1, 0)


def test_notes_are_for_terminals():
    for stream, expected in ((Terminal(), "\revaluating\x1b[K\n"), (io.StringIO(), "")):
        shown = Progress(stream=stream)
        shown.note("evaluating")
        shown.end()
        assert stream.getvalue() == expected


def test_a_resumed_training_counts_its_own_time():
    now = [0.0]
    stream = io.StringIO()
    shown = Progress(stream=stream, clock=lambda: now[0])
    shown.begin(110, 100)
    now[0] = 2.0
    shown.update(Step(101, 0, True, 1, 0.5, 0.1, 2.0))
    assert "0:18 left" in stream.getvalue()


def test_a_meter_gives_means_and_survives_json():
    meter = Meter()
    meter.add(Step(1, 0, False, 4, 0.1, 0.1, 0.5))
    meter = Meter(**json.loads(json.dumps(meter.to_json())))
    meter.add(Step(2, 0, True, 2, 0.2, 0.1, 1.0))
    assert meter.means() == {"loss": (0.1 + 0.2) / 2, "images_per_second": 4.0}
