"""A whole comparison in its processes: the page, what a second call does, and what an interruption costs."""

import json
import os
import re
import signal

import numpy as np
import pytest
from comparison_tiny import Memory, tiny_plan

from minirmae.comparison import compare, summary_table, worker
from minirmae.comparison.places import Places
from minirmae.runs import NonFiniteLoss, TrainingInterrupted

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("comparison") / "out"
    board = Memory()
    return out, board, compare(tiny_plan(), out, jobs=2, board=board)


def files(out):
    return {path: path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def test_every_piece_is_done_once_and_the_page_shows_it(finished):
    out, board, found = finished
    names = {"features", *(f"{m} seed 0{part}" for m in ("ae", "irmae") for part in ("", ", measures"))}
    assert {name for name, how in board.ended if how == "done"} == names
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
    before, board = files(out), Memory()
    again = compare(tiny_plan(), out, board=board)
    assert board.ended == []
    assert again.result == found.result
    assert files(out) == before


def test_an_interrupted_comparison_goes_on_and_ends_the_same(finished, tmp_path):
    # One process at a time here and two there: the number of processes must not matter either.
    plan, out = tiny_plan(methods=("irmae",)), tmp_path / "out"

    def stop(pieces):
        if any("step" in at for name, at in pieces.items() if name == "irmae seed 0"):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(TrainingInterrupted):
        compare(plan, out, board=Memory(stop))
    assert not (out / "report.md").exists()
    assert not list((out / "evaluations").iterdir())
    classifier = files(out / "classifier")
    board = Memory()
    found = compare(plan, out, board=board)
    assert ("features", "done") not in board.ended
    assert ("irmae seed 0, measures", "done") in board.ended
    assert files(out / "classifier") == classifier
    (mine,) = found.result["runs"]
    theirs = finished[2].result["runs"][1]
    assert {**mine, "seconds": 0} == {**theirs, "seconds": 0}
    places = [Places(directory).pictures("irmae", 0) for directory in (out, finished[0])]
    with np.load(places[0]) as mine, np.load(places[1]) as theirs:
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
            compare(plan, out, board=Memory())
    assert files(out) == before
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("dear")
    with pytest.raises(ValueError, match=r"not a comparison \(it has letter.txt\)"):
        compare(tiny_plan(), tmp_path / "other", board=Memory())
    with pytest.raises(ValueError, match="jobs must be an integer of at least 1"):
        compare(tiny_plan(), tmp_path / "new", jobs=0, board=Memory())
    with pytest.raises(ValueError, match="weight"):
        compare(tiny_plan(methods=("l1",), settings={"l1": {"nonsense": 1.0}}), tmp_path / "new", board=Memory())
    assert not (tmp_path / "new").exists()


def test_stale_measures_are_taken_again(finished, monkeypatch, tmp_path):
    from minirmae.comparison import conduct as module

    asked = []
    monkeypatch.setattr(module, "run_all", lambda pieces, *rest: asked.extend(pieces) or {})
    monkeypatch.setattr(module, "write_page", lambda *rest: {})
    out = finished[0]
    before = (out / "plan.json").read_bytes()
    compare(tiny_plan(samples=50, methods=("ae",)), out, board=Memory())
    assert [piece.name for piece in asked] == ["ae seed 0, measures"]
    asked.clear()
    compare(tiny_plan(steps=20, methods=("irmae",)), out, board=Memory())
    assert [piece.name for piece in asked] == ["irmae seed 0", "irmae seed 0, measures"]
    # A run that went on, but was stopped before it was measured again.
    asked.clear()
    measures = out / "evaluations" / "ae-seed0.json"
    kept = measures.read_bytes()
    measures.write_text(json.dumps({**json.loads(kept), "step": 6}))
    compare(tiny_plan(), out, board=Memory())
    assert [piece.name for piece in asked] == ["ae seed 0, measures"]
    measures.write_bytes(kept)
    (out / "plan.json").write_bytes(before)


def test_a_worker_tells_what_became_of_it(finished, monkeypatch, capsys, tmp_path):
    def fails(error):
        def work(*arguments):
            raise error

        monkeypatch.setattr(worker, "work", work)
        status = worker.main([str(finished[0]), "train", "ae", "0"])
        return status, capsys.readouterr().err

    assert fails(NonFiniteLoss("the loss is inf")) == (worker.DIVERGED, "the loss is inf\n")
    assert fails(TrainingInterrupted("stopped", signal.SIGTERM)) == (143, "")
    assert fails(ValueError("no")) == (2, "ValueError: no\n")
    assert worker.main([str(tmp_path), "train", "ae", "0"]) == 2


def test_a_run_that_diverged_has_a_line_instead_of_numbers(finished):
    from minirmae.comparison.page import write_page

    out = finished[0]
    kept = files(out)
    write_page(tiny_plan(), Places(out), {"ae seed 0": "the loss is inf"})
    text = (out / "report.md").read_text()
    assert "- ae seed 0: the loss is inf" in text
    assert "AE (l = 0)" not in text
    for path, content in kept.items():
        path.write_bytes(content)
