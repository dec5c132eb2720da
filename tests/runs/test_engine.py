"""A run says which engine computes it, and may be resumed with another."""

import pytest

pytest.importorskip("minirmae.engines")


import json
import os
import signal
import sys

import numpy as np
from training_tiny import PLAIN, PRESETS, timeless
from training_tiny import tiny_config as tiny

from minirmae.commands import main
from minirmae.loop import training_steps
from minirmae.runs import Progress, TrainingInterrupted, open_run, session, train, train_together


@pytest.fixture(autouse=True)
def _tiny_preset(monkeypatch):
    monkeypatch.setitem(PRESETS, "tiny", PLAIN)


def stopped_at(number, config, directory):
    """Train `config` in `directory` for that many steps, and press Ctrl-C."""

    class Stopping(Progress):
        def update(self, step):
            if step.number == number:
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(TrainingInterrupted):
        train(config, directory, progress=Stopping())


def test_the_engines_agree_and_each_repeats_bit_for_bit(tmp_path):
    weights = {}
    for engine in ("fast", "reference"):
        runs = [train(tiny(engine=engine, steps=6), tmp_path / f"{engine}{i}") for i in range(2)]
        first, second = (run.checkpoint() for run in runs)
        np.testing.assert_array_equal(first.values, second.values)
        weights[engine] = first.values
    assert not np.array_equal(weights["fast"], weights["reference"])
    np.testing.assert_allclose(weights["fast"], weights["reference"], atol=1e-3)


def test_a_run_is_resumed_with_another_engine_and_says_so(tmp_path, capsys):
    train(tiny(workers=2, steps=4), tmp_path / "run")
    assert main(["train", "--resume", str(tmp_path / "run"), "--steps", "6", "--engine", "reference"]) == 0
    said = capsys.readouterr().err
    assert "by the engine reference with 1 worker from step 4 on, by the engine fast with 2 workers before" in said
    resumed = open_run(tmp_path / "run")
    assert (resumed.config.engine, resumed.config.workers) == ("reference", 1)
    assert resumed.checkpoint().step == 6
    whole = train(tiny(steps=6), tmp_path / "whole").checkpoint()
    np.testing.assert_allclose(resumed.checkpoint().values, whole.values, atol=1e-3)
    assert main(["train", "--resume", str(tmp_path / "run"), "--steps", "7"]) == 0
    assert "computed by" not in capsys.readouterr().err


def test_a_finished_run_keeps_the_engine_that_computed_it(tmp_path, capsys):
    run = train(tiny(steps=2), tmp_path / "run")
    before = {path.name: path.read_bytes() for path in run.directory.iterdir()}
    assert train(None, run.directory, resume=True, engine="reference").config.engine == "fast"
    assert {path.name: path.read_bytes() for path in run.directory.iterdir()} == before
    assert capsys.readouterr().err == ""


def test_the_engine_may_be_given_apart_from_the_configuration(tmp_path):
    assert train(tiny(steps=1), tmp_path / "new", engine="reference").config.engine == "reference"
    with pytest.raises(ValueError, match="workers belong to the fast engine"):
        train(tiny(steps=1, workers=2), tmp_path / "refused", engine="reference")
    assert not (tmp_path / "refused").exists()


def test_workers_change_with_the_engine_alone(tmp_path):
    train(tiny(steps=1, workers=2), tmp_path / "run")
    with pytest.raises(ValueError, match="workers was 2 and is 1"):
        train(tiny(steps=2), tmp_path / "run", resume=True)
    train(tiny(steps=2, engine="reference"), tmp_path / "run", resume=True)
    assert main(["train", "--resume", str(tmp_path / "run"), "--steps", "3", "--workers", "2"]) == 2


def test_a_run_of_before_there_were_engines_opens_and_resumes(tmp_path):
    run = train(tiny(steps=4), tmp_path / "run")
    record = json.loads(run.config_path.read_text())
    del record["engine"]
    run.config_path.write_text(json.dumps(record))
    assert open_run(tmp_path / "run").config.engine == "fast"
    assert open_run(tmp_path / "run").model().values.size
    train(tiny(steps=5), tmp_path / "run", resume=True)
    assert open_run(tmp_path / "run").checkpoint().step == 5


def test_the_engine_reaches_the_loop(tmp_path, monkeypatch):
    asked = []

    def watched(*args, **options):
        asked.append((options["engine"], options["workers"]))
        return training_steps(*args, **options)

    monkeypatch.setattr(sys.modules[train.__module__], "training_steps", watched)
    train(tiny(engine="reference", steps=1), tmp_path / "run")
    assert asked == [("reference", 1)]


def test_workers_belong_to_the_fast_engine(tmp_path, capsys):
    with pytest.raises(ValueError, match="workers belong to the fast engine"):
        tiny(engine="reference", workers=2)
    with pytest.raises(ValueError, match="engine must be one of fast, reference"):
        tiny(engine="slow")
    assert main(["train", "--engine", "reference", "--workers", "2", "--out", str(tmp_path / "run")]) == 2
    assert "workers belong to the fast engine" in capsys.readouterr().err


@pytest.mark.parametrize("changes", [{"engine": "reference"}, {"workers": 2}])
def test_resumed_with_the_same_engine_and_workers_a_run_has_the_same_bits(tmp_path, capsys, changes):
    whole = train(tiny(**changes), tmp_path / "whole")
    stopped_at(7, tiny(**changes), tmp_path / "parts")
    resumed = train(None, tmp_path / "parts", resume=True)
    np.testing.assert_array_equal(resumed.checkpoint().values, whole.checkpoint().values)
    assert timeless(resumed.history()) == timeless(whole.history())
    assert "computed by" not in capsys.readouterr().err


def test_the_engine_may_change_twice_between_two_checkpoints(tmp_path, monkeypatch):
    """The checkpoint then names the first engine and its workers, and config.json the last one and its own."""
    stopped_at(6, tiny(workers=2), tmp_path / "run")

    def crash(self, step):
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(session.Session, "after", crash)
        with pytest.raises(RuntimeError):
            train(None, tmp_path / "run", resume=True, engine="reference")
    assert open_run(tmp_path / "run").config.engine == "reference"
    run = train(None, tmp_path / "run", resume=True, engine="fast")
    assert (run.config.engine, run.config.workers, run.checkpoint().step) == ("fast", 1, 30)


def test_runs_are_resumed_together_with_another_engine(tmp_path, capsys):
    directories = [tmp_path / "a", tmp_path / "b"]
    for seed, directory in enumerate(directories):
        stopped_at(3, tiny(seed=seed), directory)
    capsys.readouterr()
    runs = train_together([None, None], directories, resume=True, engine="reference")
    assert [run.config.engine for run in runs] == ["reference", "reference"]
    assert len(capsys.readouterr().err.splitlines()) == 2
