"""A run ends with the same bits however often it was stopped, and what cannot work is refused before it begins."""

import dataclasses
import json
import signal

import numpy as np
import pytest
from training_tiny import TINY, timeless, tiny_config

from minirmae.data import ArrayDataset, DataError
from minirmae.models.autoencoder import PRESETS, ModelConfig
from minirmae.objectives import reconstruction
from minirmae.runs import (
    NonFiniteLoss,
    Progress,
    RunError,
    TrainingConfig,
    TrainingInterrupted,
    evaluate,
    evaluation_data,
    fit,
    make_model,
    make_optimizer,
    open_run,
    train,
    training_data,
)
from minirmae.runs.signals import locked

GREY = ArrayDataset(np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), dtype=np.uint8), name="noise")


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
    monkeypatch.setitem(PRESETS, "tiny", TINY)


class Stop(Exception):
    """Ends a training as a crash would: between two steps, without saving."""


def objective_that(action, at):
    """The reconstruction objective, which at its `at`-th training batch also calls `action`."""
    count = [0]

    def objective(model, x, rng):
        if rng is not None:
            count[0] += 1
            if count[0] == at:
                action()
        return reconstruction(model, x, rng)

    return objective


def crash():
    raise Stop


def same_run(first, second):
    one, two = first.checkpoint(), second.checkpoint()
    assert one.step == two.step
    np.testing.assert_array_equal(one.values, two.values)
    np.testing.assert_array_equal(one.fixed, two.fixed)
    assert one.optimizer.keys() == two.optimizer.keys()
    for name, vector in one.optimizer.items():
        np.testing.assert_array_equal(vector, two.optimizer[name])
    assert one.generator == two.generator
    assert timeless(first.history()) == timeless(second.history())


def test_a_run_is_the_loop(tmp_path):
    config = tiny_config()
    run = train(config, tmp_path / "run")
    model = make_model(config)
    losses = fit(model, training_data(config), make_optimizer(config, 30), steps=30, batch_size=3)
    np.testing.assert_array_equal(run.model().values, model.values)
    records = run.history("train")
    assert [r["step"] for r in records] == [4, 8, 12, 16, 20, 24, 28, 30]
    np.testing.assert_allclose(
        [r["loss"] for r in records], [part.mean() for part in np.split(losses, range(4, 29, 4))], rtol=1e-14
    )
    assert [r["epoch"] for r in records][-1] == 30 / 7
    result = evaluate(model, evaluation_data(config), batch_size=3)
    last = run.history("evaluation")[-1]
    assert last["loss"] == result.loss
    assert last["eigenvalues"] == list(result.rank.eigenvalues)
    assert last["numerical_ranks"].keys() == {"0.01", "0.001", "0.0001"}
    assert [r["step"] for r in run.history("evaluation")] == [0, 8, 16, 24, 30]
    assert sorted(p.name for p in run.directory.iterdir()) == ["checkpoint.npz", "config.json", "history.jsonl"]


def test_epochs_end_where_the_data_do(tmp_path):
    run = train(tiny_config(steps=None, epochs=2), tmp_path / "run")
    assert run.checkpoint().step == 14


@pytest.mark.parametrize(
    "changes", [{}, {"optimizer": "momentum"}, {"schedule": "cosine", "warmup": 5}, {"variant": "fixed"}]
)
@pytest.mark.parametrize("stops", [(1,), (7,), (13, 3, 9)])
def test_crashed_and_resumed_is_uninterrupted(tmp_path, changes, stops):
    config = tiny_config(**changes)
    for stop in stops:
        with pytest.raises(Stop):
            train(config, tmp_path / "stopped", resume=True, objective=objective_that(crash, stop))
    same_run(train(config, tmp_path / "stopped", resume=True), train(config, tmp_path / "whole"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("at", [1, 10, 30])
def test_a_signal_finishes_the_step_and_saves(tmp_path, number, at):
    with pytest.raises(TrainingInterrupted, match=rf"saved at step {at} of 30; .*train --resume .*stopped") as caught:
        train(tiny_config(), tmp_path / "stopped", objective=objective_that(lambda: signal.raise_signal(number), at))
    assert caught.value.signal == number
    assert isinstance(caught.value, KeyboardInterrupt)
    stopped = open_run(tmp_path / "stopped")
    assert stopped.checkpoint().step == at
    same_run(train(None, stopped.directory, resume=True), train(tiny_config(), tmp_path / "whole"))


def test_a_second_ctrl_c_quits_at_once(tmp_path):
    def twice():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as caught:
        train(tiny_config(), tmp_path / "run", objective=objective_that(twice, 10))
    assert not isinstance(caught.value, TrainingInterrupted)
    assert open_run(tmp_path / "run").checkpoint().step == 6


def test_a_finished_run_is_left_as_it_is(tmp_path):
    run = train(tiny_config(), tmp_path / "run")
    before = {p.name: p.read_bytes() for p in run.directory.iterdir()}
    train(None, run.directory, resume=True)
    assert {p.name: p.read_bytes() for p in run.directory.iterdir()} == before


def test_a_longer_run_has_the_weights_of_one_that_was_always_longer(tmp_path):
    run = train(tiny_config(steps=17), tmp_path / "run")
    longer = train(dataclasses.replace(run.config, steps=30), run.directory, resume=True)
    assert open_run(run.directory).config.steps == 30
    np.testing.assert_array_equal(longer.model().values, train(tiny_config(), tmp_path / "whole").model().values)


def test_a_run_does_not_become_another(tmp_path):
    run = train(tiny_config(), tmp_path / "run")
    before = {p.name: p.read_bytes() for p in run.directory.iterdir()}
    for config, kind, message in [
        (tiny_config(seed=1), ValueError, "seed was 0 and is 1"),
        (tiny_config(steps=29), RunError, "has taken 30 steps, more than 29"),
    ]:
        with pytest.raises(kind, match=message):
            train(config, run.directory, resume=True)
    with pytest.raises(
        RunError, match=r"was trained on .*shapes.* but got .*noise.*; a run is resumed with the images"
    ):
        train(None, run.directory, resume=True, training_set=GREY)
    with pytest.raises(RunError, match="there is a run already"):
        train(tiny_config(), run.directory)
    assert {p.name: p.read_bytes() for p in run.directory.iterdir()} == before


def test_an_edited_configuration_is_noticed(tmp_path):
    run = train(tiny_config(), tmp_path / "run")
    record = json.loads(run.config_path.read_text())
    record["model"]["latent"] = 5
    run.config_path.write_text(json.dumps(record))
    with pytest.raises(ValueError, match=r"model was .*'latent': 3.* and is .*'latent': 5"):
        train(None, run.directory, resume=True)
    with pytest.raises(ValueError, match=r"from another architecture; the model has parameter encoder.2.W of shape"):
        open_run(run.directory).model()


def test_a_lost_history_stops_the_resume(tmp_path):
    run = train(tiny_config(steps=6), tmp_path / "run")
    run.history_path.unlink()
    with pytest.raises(RunError, match=r"history.jsonl is missing"):
        train(tiny_config(), run.directory, resume=True)


def test_nothing_to_resume(tmp_path):
    with pytest.raises(RunError, match="not a run: there is no such directory"):
        train(None, tmp_path / "none", resume=True)
    with pytest.raises(TypeError, match="config may be None only with resume=True"):
        train(None, tmp_path / "none")


def test_divergence_keeps_the_last_good_checkpoint(tmp_path):
    config = tiny_config(optimizer="sgd", learning_rate=1e9)
    with pytest.raises(
        NonFiniteLoss, match=r"stopped at step \d+: .* The last good checkpoint is kept: that of step 0 in"
    ):
        train(config, tmp_path / "run")
    run = open_run(tmp_path / "run")
    np.testing.assert_array_equal(run.model().values, make_model(config).values)


def test_parameters_that_are_not_finite_never_reach_the_checkpoint(tmp_path):
    def spoil(model, x, rng):
        loss, backward = reconstruction(model, x, rng)

        def spoiled():
            backward()
            # Finite, and larger than float32 once it is multiplied by the learning rate.
            model.grads[...] = 1e38

        return loss, spoiled

    config = tiny_config(optimizer="sgd", learning_rate=1e9, checkpoint_every=1, evaluate_every=99)
    with (
        np.errstate(over="ignore"),
        pytest.raises(NonFiniteLoss, match="step 1 is not saved, because parameter encoder"),
    ):
        train(config, tmp_path / "run", objective=spoil)
    assert open_run(tmp_path / "run").checkpoint().step == 0


@pytest.mark.parametrize(
    "config, sets, error, message",
    [
        ({}, {"training_set": ArrayDataset(np.zeros((5, 8, 8, 1), np.uint8), name="small")}, ValueError, "small has"),
        ({}, {"evaluation_set": ArrayDataset(np.zeros((5, 8, 8, 1), np.uint8), name="small")}, ValueError, "small has"),
        ({"data": "nowhere"}, {}, DataError, "nowhere: no such data"),
        ({"schedule": "cosine", "warmup": 99}, {}, ValueError, "warmup must be"),
    ],
)
def test_what_cannot_work_writes_nothing(tmp_path, config, sets, error, message):
    with pytest.raises(error, match=message):
        train(tiny_config(**config), tmp_path / "run", **sets)
    assert not (tmp_path / "run").exists()


def test_own_images_in_place_of_the_named_ones(tmp_path):
    run = train(tiny_config(steps=2), tmp_path / "run", training_set=GREY, evaluation_set=GREY)
    assert run.checkpoint().extra["data"] == {"name": "noise", "images": 20, "shape": [16, 16, 3]}
    assert run.history("evaluation")[0]["samples"] == 6


def test_one_trainer_to_a_run(tmp_path):
    run = train(tiny_config(steps=6), tmp_path / "run")
    with locked(run.directory), pytest.raises(BlockingIOError, match="another process is training this run"):
        train(None, run.directory, resume=True)


def test_progress_sees_every_step(tmp_path):
    class Watcher(Progress):
        def begin(self, total, done):
            super().begin(total, done)
            seen.append((total, done))

        def update(self, step):
            seen.append(step.number)

        def end(self):
            seen.append("end")

    seen = []
    watcher = Watcher()
    seen.clear()
    train(tiny_config(steps=3), tmp_path / "run", progress=watcher)
    assert seen == [(3, 0), 1, 2, 3, "end"]
    seen.clear()
    train(tiny_config(steps=5), tmp_path / "run", progress=watcher, resume=True)
    assert seen == [(5, 3), 4, 5, "end"]


def test_the_papers_model_too(tmp_path):
    config = TrainingConfig(
        ModelConfig("shapes", 2, 1), steps=3, batch_size=2, training_images=4, evaluation_images=2, checkpoint_every=1
    )
    with pytest.raises(Stop):
        train(config, tmp_path / "stopped", objective=objective_that(crash, 3))
    same_run(train(config, tmp_path / "stopped", resume=True), train(config, tmp_path / "whole"))
