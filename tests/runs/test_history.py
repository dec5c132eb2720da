"""A history survives half a line, and nothing else that is wrong."""

import json
import math

import pytest

from minirmae.runs import HistoryError, history

RECORDS = [{"kind": "train", "step": step, "loss": 0.1 * step} for step in (1, 2, 3)]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "history.jsonl"
    for record in RECORDS:
        history.append(path, record)
    return path


def test_what_is_appended_is_read(path):
    assert history.read(path) == RECORDS
    assert [json.loads(line) for line in path.read_text().splitlines()] == RECORDS


def test_half_a_line_is_left_out(path):
    whole = path.read_bytes()
    last = len(whole.splitlines(keepends=True)[-1])
    for cut in range(1, last):
        path.write_bytes(whole[:-cut])
        assert history.read(path) == RECORDS[:2]


def test_rewind_drops_later_records_and_half_a_line(path):
    with open(path, "ab") as file:
        file.write(b'{"kind": "tr')
    history.rewind(path, 2)
    assert history.read(path) == RECORDS[:2]
    history.append(path, RECORDS[2])
    assert history.read(path) == RECORDS


@pytest.mark.parametrize(
    "line", ["nonsense", "[]", "3", '{"step": 1}', '{"kind": "train"}', '{"kind": 1, "step": 1}', "\xff"]
)
def test_a_line_that_is_no_record_is_named(path, line):
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + line.encode("latin-1") + b"\n" + lines[2])
    with pytest.raises(HistoryError, match="line 2: not a record of the history: expected a JSON object with kind"):
        history.read(path)


def test_a_number_that_is_not_finite_is_refused(path):
    before = path.read_bytes()
    with pytest.raises(ValueError):
        history.append(path, {"kind": "train", "step": 4, "loss": math.nan})
    assert path.read_bytes() == before
