"""The main job's promises that its command's test does not see."""

import numpy as np
import pytest

from minirmae.gradcheck import check
from minirmae.report import demo

TINY = demo.Size(steps=2, training_images=64, evaluation_images=80)


def test_nothing_is_trained_with_a_wrong_gradient(tmp_path, monkeypatch):
    wrong = check(lambda x: (x * x, lambda dy: 3 * x * dy), np.ones(3), name="wrong square")
    monkeypatch.setattr(demo, "run_suite", lambda **options: [wrong])
    with pytest.raises(AssertionError, match="wrong square: fail"):
        demo.demo(tmp_path / "demo", size=TINY)
    assert not (tmp_path / "demo").exists()


def test_an_interrupted_demo_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "run_suite", lambda **options: [])
    monkeypatch.setattr(
        demo, "_check_model", lambda config, seed: check(lambda x: (x * 2, lambda dy: 2 * dy), np.ones(2))
    )
    said = []
    first = demo.demo(tmp_path, size=TINY, say=said.append, engine="reference")
    before = (tmp_path / "l4" / "checkpoint.npz").read_bytes()
    second = demo.demo(tmp_path, size=TINY)
    assert [analysis.run.config.engine for analysis in second.analyses] == ["reference"] * 2
    assert [line[:3] for line in said] == ["1/4", "2/4", "3/4", "4/4"]
    assert (tmp_path / "l4" / "checkpoint.npz").read_bytes() == before
    assert first.page.read_bytes() == second.page.read_bytes()
