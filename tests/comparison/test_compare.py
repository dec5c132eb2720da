"""A whole comparison in its processes: the page, what a second call does, and what an interruption costs."""

import importlib
import json
import os
import re
import signal

import numpy as np
import pytest
from comparison_tiny import Memory, files, tiny_plan

from minirmae.comparison import compare, summary_table
from minirmae.comparison.paths import Paths
from minirmae.runs import TrainingInterrupted

pytest.importorskip("matplotlib")

# The package has a function of the same name.
module = importlib.import_module("minirmae.comparison.compare")


def test_every_piece_is_done_once_and_the_page_shows_it(finished):
    out, reporter, found = finished
    names = {"features", *(f"{m} seed 0{part}" for m in ("ae", "irmae") for part in ("", ", measures"))}
    assert {name for name, how in reporter.ended if how == "done"} == names
    text = found.page.read_text()
    assert text.startswith("# 2 methods on shapes\n")
    assert "12 steps in batches of 2 images, one seed" in text
    assert "| AE (l = 0) | adam | 0.0001 |" in text
    for name in re.findall(r"\]\((.*?)\)", text):
        assert (out / name).read_bytes().startswith(b"\x89PNG")
    assert len(re.findall(r"\]\((.*?)\)", text)) == 6
    assert json.loads((out / "comparison.json").read_text()) == found.result


def test_the_tables_are_the_measures(finished):
    out, _, found = finished
    for method, label in (("ae", "AE (l = 0)"), ("irmae", "IRMAE (l = 4)")):
        record = json.loads((out / "evaluations" / f"{method}-seed0.json").read_text())
        rows = [line for line in found.page.read_text().splitlines() if line.startswith(f"| {label} |")]
        cells = [[cell.strip() for cell in row.strip("|").split("|")[1:]] for row in rows]
        frechet = record["frechet"]
        assert cells[0][:3] == [
            f"{1000 * record['reconstruction_error']:.2f}",
            f"{record['rank']:.1f}",
            f"{record['effective_rank']:.1f}",
        ]
        pictures = [frechet[name] for name in ("reconstruction", "mixture", "gaussian")]
        assert [float(cell) for cell in cells[1][:3]] == [pytest.approx(value, rel=5e-3) for value in pictures]
        assert cells[1][3] == f"{record['roughness']:.3f}"
        assert cells[2] == [f"{100 * record['accuracy'][name]['20']:.1f}" for name in ("head", "probe")]
        assert f"{1000 * record['reconstruction_error']:.2f}" in summary_table(tiny_plan(), found.result)


def test_what_is_finished_is_left_alone(finished):
    out, _, found = finished
    before, reporter = files(out), Memory()
    again = compare(tiny_plan(), out, reporter=reporter)
    assert reporter.ended == []
    assert again.result == found.result
    assert files(out) == before


def test_an_interrupted_comparison_goes_on_and_ends_the_same(finished, tmp_path):
    # One process at a time here and two there: the number of processes must not matter either.
    plan, out = tiny_plan(methods=("irmae",)), tmp_path / "out"

    def stop(tasks):
        if any("step" in at for name, at in tasks.items() if name == "irmae seed 0"):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(TrainingInterrupted):
        compare(plan, out, reporter=Memory(stop))
    assert not (out / "report.md").exists()
    assert not list((out / "evaluations").iterdir())
    classifier = files(out / "classifier")
    reporter = Memory()
    found = compare(plan, out, reporter=reporter)
    assert ("features", "done") not in reporter.ended
    assert ("irmae seed 0, measures", "done") in reporter.ended
    assert files(out / "classifier") == classifier
    (mine,) = found.result["runs"]
    theirs = finished[2].result["runs"][1]
    assert {**mine, "seconds": 0} == {**theirs, "seconds": 0}
    paths = [Paths(directory).pictures("irmae", 0) for directory in (out, finished[0])]
    with np.load(paths[0]) as mine, np.load(paths[1]) as theirs:
        assert mine.files == theirs.files
        for name in mine.files:
            np.testing.assert_array_equal(mine[name], theirs[name])


def test_what_cannot_work_is_said_before_anything_is_done(finished, tmp_path):
    out = finished[0]
    before = files(out)
    for plan, message in (
        (tiny_plan(batch_size=3), "ae-seed0: training configuration: .* batch_size was 2 and is 3"),
        (tiny_plan(steps=5), "has taken 12 steps, more than 5"),
        (tiny_plan(training_images=20), "at least 30 are needed"),
        (tiny_plan(classifier_steps=3), "classifier: training configuration"),
        (tiny_plan(data=str(tmp_path / "nothing")), "no such data"),
    ):
        with pytest.raises(ValueError, match=message):
            compare(plan, out, reporter=Memory())
    assert files(out) == before
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("dear")
    with pytest.raises(ValueError, match=r"not a comparison \(it has letter.txt\)"):
        compare(tiny_plan(), tmp_path / "other", reporter=Memory())
    with pytest.raises(ValueError, match="jobs must be an integer of at least 1"):
        compare(tiny_plan(), tmp_path / "new", jobs=0, reporter=Memory())
    with pytest.raises(ValueError, match="weight"):
        compare(tiny_plan(methods=("l1",), settings={"l1": {"nonsense": 1.0}}), tmp_path / "new", reporter=Memory())
    assert not (tmp_path / "new").exists()


def test_stale_measures_are_taken_again(finished, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(module, "run_tasks", lambda tasks, *rest: asked.extend(tasks) or {})
    monkeypatch.setattr(module, "write_page", lambda *rest: {})
    out = finished[0]
    before = (out / "plan.json").read_bytes()
    compare(tiny_plan(samples=50, methods=("ae",)), out, reporter=Memory())
    assert [task.name for task in asked] == ["ae seed 0, measures"]
    asked.clear()
    compare(tiny_plan(steps=20, methods=("irmae",)), out, reporter=Memory())
    assert [task.name for task in asked] == ["irmae seed 0", "irmae seed 0, measures"]
    # A run that went on, but was stopped before it was measured again.
    asked.clear()
    measures = out / "evaluations" / "ae-seed0.json"
    kept = measures.read_bytes()
    measures.write_text(json.dumps({**json.loads(kept), "step": 6}))
    compare(tiny_plan(), out, reporter=Memory())
    assert [task.name for task in asked] == ["ae seed 0, measures"]
    measures.write_bytes(kept)
    (out / "plan.json").write_bytes(before)
