"""Runs that train together, and runs on a GPU: here a stand-in's arrays, and the kernels on the emulator."""

import os
import signal

import cuda_emulator
import numpy as np
import pytest
from device_stand_in import DEVICES  # registers the device "stand-in"
from training_tiny import PLAIN, TINY, timeless, tiny_config

from minirmae.models.autoencoder import PRESETS, ModelConfig
from minirmae.runs import (
    NonFiniteLoss,
    Progress,
    RunError,
    TrainingConfig,
    TrainingInterrupted,
    open_run,
    train,
    train_together,
)

assert DEVICES
needs_compiler = pytest.mark.skipif(cuda_emulator.COMPILER is None, reason="no C++ compiler (g++ or clang++)")


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setitem(PRESETS, "tiny", TINY)
    monkeypatch.setitem(PRESETS, "plain", PLAIN)


@pytest.fixture
def gpu(monkeypatch):
    """The device "stand-in" has a captured step."""
    made = []

    def make(place, precision):
        made.append(place)
        return cuda_emulator.EmulatedDevice(precision)

    monkeypatch.setattr("minirmae.engines.cuda.replicas.CudaDevice", make)
    return made


def config(layers=2, **changes):
    """Without dropout, which has no captured step; images depend on the seed."""
    settings = {"steps": 30, "training_images": 20, "evaluation_images": 6, "batch_size": 3, "learning_rate": 1e-3}
    settings |= {"log_every": 4, "evaluate_every": 8, "checkpoint_every": 6}
    return TrainingConfig(ModelConfig("plain", 3, layers), **{**settings, **changes})


def same(one, other):
    """Whether two runs have equal weights and histories, bit for bit."""
    return np.array_equal(one.checkpoint().values, other.checkpoint().values) and (
        timeless(one.history()) == timeless(other.history())
    )


class SignalAt(Progress):
    """Presses Ctrl-C when a step is shown."""

    def __init__(self, number):
        super().__init__()
        self.number = number

    def update(self, step):
        if step.number == self.number:
            os.kill(os.getpid(), signal.SIGINT)


def test_one_after_the_other_each_as_if_alone(tmp_path):
    configs = [tiny_config(seed=s) for s in range(2)]
    runs = train_together(configs, [tmp_path / "a", tmp_path / "b"])
    for s, run in enumerate(runs):
        assert same(run, train(configs[s], tmp_path / f"alone{s}"))


@pytest.mark.parametrize("number", [13, 30])
def test_an_interruption_of_the_first_names_all(tmp_path, number):
    configs, directories = [tiny_config(seed=s) for s in range(2)], [tmp_path / "a", tmp_path / "b"]
    again = f"stopped and saved at step {number} of 30; resume with: minirmae train --resume {tmp_path}/a {tmp_path}/b$"
    with pytest.raises(TrainingInterrupted, match=again):
        train_together(configs, directories, progress=SignalAt(number))
    assert [open_run(d).checkpoint().step for d in directories] == [number, 0]
    for s, run in enumerate(train_together([None, None], directories, resume=True)):
        assert same(run, train(configs[s], tmp_path / f"alone{s}"))


def test_nothing_is_begun_where_one_directory_is_taken(tmp_path):
    train(tiny_config(steps=1), tmp_path / "b")
    with pytest.raises(RunError, match="there is a run already"):
        train_together([tiny_config(), tiny_config()], [tmp_path / "a", tmp_path / "b"])
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("directories", "message"),
    [([], "0 configurations for 0 directories"), (["a"], "2 configurations for 1"), (["a", "./a"], "of its own")],
)
def test_every_run_needs_a_directory(tmp_path, directories, message):
    with pytest.raises(ValueError, match=message):
        train_together([tiny_config()] * min(2 * len(directories), 2), [tmp_path / d for d in directories])


@needs_compiler
def test_a_run_on_a_gpu_is_that_of_the_cpu_but_for_rounding(tmp_path, gpu):
    there = train(config(seed=3), tmp_path / "there", device="stand-in", precision="float32")
    here = train(config(seed=3), tmp_path / "here")
    assert gpu == ["stand-in:0"]
    np.testing.assert_allclose(there.checkpoint().values, here.checkpoint().values, atol=1e-5)
    ours, theirs = timeless(there.history()), timeless(here.history())
    assert [(r["kind"], r["step"]) for r in ours] == [(r["kind"], r["step"]) for r in theirs]
    np.testing.assert_allclose([r["loss"] for r in ours], [r["loss"] for r in theirs], rtol=1e-4)


@needs_compiler
def test_the_precision_reaches_the_gpu(tmp_path, gpu):
    losses = [
        train(config(), tmp_path / precision, device="stand-in", precision=precision).history("train")[0]["loss"]
        for precision in ("float32", "tf32")
    ]
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)


@needs_compiler
def test_a_run_on_a_gpu_resumes_bit_for_bit(tmp_path, gpu):
    whole = train(config(), tmp_path / "whole", device="stand-in")
    with pytest.raises(TrainingInterrupted, match="at step 6 of 30"):
        # The GPU is ahead by then, and is asked for the step up to which it got.
        train(config(), tmp_path / "parts", device="stand-in", progress=SignalAt(3))
    assert same(train(None, tmp_path / "parts", resume=True, device="stand-in"), whole)


@needs_compiler
def test_together_on_a_gpu_each_is_as_if_alone(tmp_path, gpu):
    """Two depths, two seeds, and so two data sets."""
    configs = [config(layers, seed=s) for layers in (0, 2) for s in (0, 1)]
    directories = [tmp_path / str(i) for i in range(4)]
    shown = SignalAt(11)
    with pytest.raises(TrainingInterrupted, match=f"--resume {tmp_path}/0 {tmp_path}/1 {tmp_path}/2 {tmp_path}/3"):
        train_together(configs, directories, device="stand-in", progress=shown)
    assert len(gpu) == 2, "a device for each depth"
    runs = train_together([None] * 4, directories, resume=True, device="stand-in")
    for i, run in enumerate(runs):
        assert same(run, train(configs[i], tmp_path / f"alone{i}", device="stand-in"))


@needs_compiler
def test_divergence_of_one_is_said_and_all_are_kept(tmp_path, gpu):
    configs, directories = [config(seed=s) for s in range(2)], [tmp_path / "a", tmp_path / "b"]
    train_together(configs, directories, device="stand-in")
    longer = [config(seed=s, steps=40) for s in range(2)]
    run = open_run(directories[1])
    values = dict(np.load(run.checkpoint_path))
    name = next(key for key in values if values[key].shape == run.checkpoint().values.shape)
    values[name][0] = np.nan
    np.savez(run.checkpoint_path, **values)
    kept = f"kept: that of step 30 in {tmp_path}/a, that of step 30 in {tmp_path}/b"
    with pytest.raises(NonFiniteLoss, match=f"step 31 in {tmp_path}/b: the loss is not finite .*{kept}"):
        train_together(longer, directories, resume=True, device="stand-in")


@needs_compiler
def test_runs_that_cannot_train_together_on_a_gpu(tmp_path, gpu):
    directories = [tmp_path / "a", tmp_path / "b"]
    with pytest.raises(ValueError, match=r"equal but for seed and architecture; .*b is not like .*a"):
        train_together([config(), config(learning_rate=1e-2)], directories, device="stand-in")
    assert not directories[0].exists()
    with pytest.raises(TrainingInterrupted):
        train(config(), directories[0], progress=SignalAt(7))
    train(config(steps=1), directories[1])
    with pytest.raises(ValueError, match="these have taken 1 and 7"):
        train_together([config(), config()], directories, resume=True, device="stand-in")


def test_without_a_captured_step_there_is_one_warning_and_the_ordinary_loop(tmp_path):
    configs, directories = [tiny_config(seed=s, steps=3) for s in range(2)], [tmp_path / "a", tmp_path / "b"]
    with pytest.warns(RuntimeWarning, match="Dropout has no captured step.*op by op") as caught:
        train_together(configs, directories, device="stand-in")
    assert len(caught) == 1
    assert [open_run(d).checkpoint().step for d in directories] == [3, 3]


@needs_compiler
def test_the_reference_on_a_gpu_is_op_by_op_without_a_warning(tmp_path, gpu):
    """Warnings are errors here; the captured step would have made a device."""
    there = train(config(engine="reference"), tmp_path / "there", device="stand-in")
    here = train(config(engine="reference"), tmp_path / "here")
    assert gpu == []
    np.testing.assert_allclose(there.checkpoint().values, here.checkpoint().values, rtol=1e-4, atol=1e-5)


def test_workers_are_for_the_cpu(tmp_path):
    """A run that began with two is resumed on a GPU."""
    train(tiny_config(steps=2, workers=2), tmp_path / "run")
    with pytest.warns(RuntimeWarning, match="op by op"):
        run = train(tiny_config(steps=4, workers=2), tmp_path / "run", resume=True, device="stand-in")
    assert run.checkpoint().step == 4
