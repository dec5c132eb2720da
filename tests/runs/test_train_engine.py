"""The engine is part of a run: it decides the last bits, and a run may be resumed with another one."""

import dataclasses
import json
import os
import signal

import numpy as np
import pytest
from device_stand_in import DEVICES  # registers the device "stand-in"
from training_tiny import PLAIN, TINY, timeless, tiny_config

from minirmae import engine as seam
from minirmae.commands import main
from minirmae.models.autoencoder import PRESETS, ModelConfig
from minirmae.report.analysis import analyse
from minirmae.runs import Progress, TrainingConfig, TrainingInterrupted, open_run, session, train, train_together

assert DEVICES


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setitem(PRESETS, "tiny", TINY)
    monkeypatch.setitem(PRESETS, "plain", PLAIN)


def conv_config(**changes):
    """A preset with convolutions, whose sums the engines form in different orders."""
    settings = {"steps": 4, "training_images": 8, "evaluation_images": 4, "batch_size": 4, "learning_rate": 1e-3}
    settings |= {"log_every": 1, "evaluate_every": 2, "checkpoint_every": 2}
    return TrainingConfig(ModelConfig("shapes", 3, 2), **{**settings, **changes})


def stopped_at(number, config, directory):
    """The run of `config` in `directory`, stopped after so many steps."""

    class Stopping(Progress):
        def update(self, step):
            if step.number == number:
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(TrainingInterrupted):
        train(config, directory, progress=Stopping())
    return open_run(directory)


def forget_engine(run):
    """Make `run` one that was written before configurations had an engine."""
    record = json.loads(run.config_path.read_text())
    del record["engine"]
    run.config_path.write_text(json.dumps(record))
    with np.load(run.checkpoint_path) as stored:
        arrays = dict(stored)
    header = json.loads(arrays["header"].item())
    del header["extra"]["config"]["engine"]
    np.savez(run.checkpoint_path, **{**arrays, "header": np.array(json.dumps(header))})


def values(run):
    return run.checkpoint().values


def test_the_engines_agree_up_to_rounding(tmp_path):
    fast, reference = (train(conv_config(engine=e), tmp_path / e) for e in ("fast", "reference"))
    assert (fast.config.engine, reference.config.engine) == ("fast", "reference")
    np.testing.assert_allclose(values(fast), values(reference), atol=1e-4)
    for one, other in zip(fast.history(), reference.history(), strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-4)


@pytest.mark.parametrize("changes", [{"engine": "reference"}, {}, {"workers": 2}])
def test_one_engine_and_number_of_workers_repeat_bit_for_bit(tmp_path, capsys, changes):
    config = conv_config(**changes)
    whole, again = (train(config, tmp_path / name) for name in ("whole", "again"))
    stopped_at(3, config, tmp_path / "parts")
    for other in (again, train(None, tmp_path / "parts", resume=True)):
        np.testing.assert_array_equal(values(whole), values(other))
        assert timeless(whole.history()) == timeless(other.history())
    assert "computed by" not in capsys.readouterr().err


def test_the_engine_computes_steps_and_evaluations(tmp_path, monkeypatch):
    asked = []
    real_step, real_model = seam.training_step, seam.prepared
    monkeypatch.setattr(
        "minirmae.loop.training_step", lambda *a, **k: (asked.append(("step", k["engine"])), real_step(*a, **k))[1]
    )
    monkeypatch.setattr(session, "prepared", lambda m, e: (asked.append(("evaluation", e)), real_model(m, e))[1])
    for engine in ("reference", "fast"):
        train(tiny_config(steps=1, engine=engine), tmp_path / engine)
        assert set(asked) == {("step", engine), ("evaluation", engine)}
        asked.clear()


def test_a_new_run_by_the_reference_has_one_worker(tmp_path):
    message = "the engine reference is one process, so workers must be 1, got 2; leave workers out, or choose"
    with pytest.raises(ValueError, match=message):
        tiny_config(engine="reference", workers=2)
    with pytest.raises(ValueError, match=message):
        train(tiny_config(workers=2), tmp_path / "run", engine="reference")
    with pytest.raises(ValueError, match="engine must be one of fast, reference; got 'quick'"):
        train(tiny_config(), tmp_path / "run", engine="quick")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("by_config", [False, True])
def test_a_run_is_resumed_with_another_engine(tmp_path, capsys, by_config):
    config = conv_config(workers=2)
    stopped_at(2, config, tmp_path / "run")
    other = dataclasses.replace(config, engine="reference", workers=1)
    capsys.readouterr()
    if by_config:
        run = train(other, tmp_path / "run", resume=True)
    else:
        run = train(None, tmp_path / "run", resume=True, engine="reference")
    assert capsys.readouterr().err == (
        f"{tmp_path / 'run'}: computed by the engine reference with 1 worker from step 2 on, by the engine fast with "
        "2 workers before; the numbers agree up to rounding, but the bits differ from those of an uninterrupted run\n"
    )
    assert run.config == open_run(run.directory).config == other
    np.testing.assert_allclose(values(run), values(train(config, tmp_path / "whole")), atol=1e-4)


def test_the_engine_may_change_more_than_once_before_a_checkpoint(tmp_path, monkeypatch):
    """The checkpoint still names the first engine; that is no obstacle."""
    stopped_at(6, tiny_config(workers=2), tmp_path / "run")

    def crash(self, step):
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(session.Session, "after", crash)
        with pytest.raises(RuntimeError):
            train(None, tmp_path / "run", resume=True, engine="reference")
    assert open_run(tmp_path / "run").config.engine == "reference"
    run = train(None, tmp_path / "run", resume=True, engine="fast")
    assert (run.config.engine, run.config.workers, run.checkpoint().step) == ("fast", 1, 30)


def test_a_finished_run_keeps_the_engine_that_computed_it(tmp_path, capsys):
    run = train(tiny_config(steps=2), tmp_path / "run")
    before = {p.name: p.read_bytes() for p in run.directory.iterdir()}
    assert train(None, run.directory, resume=True, engine="reference").config.engine == "fast"
    assert {p.name: p.read_bytes() for p in run.directory.iterdir()} == before
    assert capsys.readouterr().err == ""


def test_a_run_that_was_saved_without_an_engine_is_fast(tmp_path, capsys):
    config = conv_config()
    run = stopped_at(2, config, tmp_path / "run")
    forget_engine(run)
    capsys.readouterr()
    assert open_run(run.directory).config == config
    assert analyse(open_run(run.directory), images=4).step == 2
    run = train(None, run.directory, resume=True)
    assert capsys.readouterr().err == ""
    np.testing.assert_array_equal(values(run), values(train(config, tmp_path / "whole")))


def test_runs_are_resumed_together_with_another_engine(tmp_path, capsys):
    directories = [tmp_path / "a", tmp_path / "b"]
    for seed, directory in enumerate(directories):
        stopped_at(3, tiny_config(seed=seed), directory)
    capsys.readouterr()
    runs = train_together([None, None], directories, resume=True, engine="reference")
    assert [run.config.engine for run in runs] == ["reference", "reference"]
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_the_reference_on_a_gpu_is_op_by_op_without_a_warning(tmp_path):
    """A warning would be an error here; see test_train_together for the captured step of the fast engine."""
    config = TrainingConfig(
        ModelConfig("plain", 3, 2), steps=2, batch_size=3, training_images=6, evaluation_images=4, engine="reference"
    )
    there = train(config, tmp_path / "there", device="stand-in")
    here = train(config, tmp_path / "here")
    np.testing.assert_allclose(values(there), values(here), rtol=1e-6)


def test_from_the_command_line(tmp_path, capsys):
    sizes = ["--latent", "3", "--batch-size", "4", "--training-images", "8", "--evaluation-images", "4"]
    out = str(tmp_path / "run")
    assert main(["train", *sizes, "--steps", "1", "--engine", "reference", "--out", out]) == 0
    assert (open_run(out).config.engine, open_run(out).config.workers) == ("reference", 1)
    assert main(["train", "--resume", out, "--steps", "2", "--engine", "fast", "--workers", "2"]) == 0
    assert "by the engine fast with 2 workers from step 1 on" in capsys.readouterr().err
    assert main(["train", "--resume", out, "--steps", "3", "--engine", "reference"]) == 0
    assert (open_run(out).config.engine, open_run(out).config.workers) == ("reference", 1)
    assert main(["train", *sizes, "--steps", "1", "--engine", "reference", "--workers", "2", "--out", out + "2"]) == 2
    assert "workers must be 1, got 2" in capsys.readouterr().err
