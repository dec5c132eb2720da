"""A write that fails keeps the last checkpoint, and says so."""

import errno

import numpy as np
import pytest
from training_tiny import TINY, timeless, tiny_config

from minirmae.models.autoencoder import PRESETS
from minirmae.optimizers import Adam
from minirmae.runs import RunError, history, make_model, open_run, save_checkpoint, session, train


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
    monkeypatch.setitem(PRESETS, "tiny", TINY)


def full_disk_from(call, monkeypatch, module, name):
    """Let the function `name` of `module` meet a full disk from its `call`-th call on; return how to mend it."""
    real, count = getattr(module, name), [0]

    def failing(*args, **kwargs):
        count[0] += 1
        if count[0] >= call:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*args, **kwargs)

    monkeypatch.setattr(module, name, failing)
    return lambda: monkeypatch.setattr(module, name, real)


@pytest.mark.parametrize(
    "module, name, call, message",
    [
        (session, "save_checkpoint", 3, "cannot save the checkpoint of step 12 in .*run"),
        (history, "append", 5, "cannot add to .*history.jsonl at step 12"),
    ],
)
def test_a_full_disk_keeps_the_last_checkpoint(tmp_path, monkeypatch, module, name, call, message):
    mend = full_disk_from(call, monkeypatch, module, name)
    message += ": No space left on device; the checkpoint of step 6 is kept; .*resume with: minirmae train --resume"
    with pytest.raises(OSError, match=message) as caught:
        train(tiny_config(), tmp_path / "run")
    assert caught.value.errno == errno.ENOSPC
    assert open_run(tmp_path / "run").checkpoint().step == 6
    mend()
    resumed, whole = train(None, tmp_path / "run", resume=True), train(tiny_config(), tmp_path / "whole")
    np.testing.assert_array_equal(resumed.model().values, whole.model().values)
    assert timeless(resumed.history()) == timeless(whole.history())


def test_a_disk_that_is_full_at_once_stops_before_the_first_step(tmp_path, monkeypatch):
    mend = full_disk_from(1, monkeypatch, session, "save_checkpoint")
    with pytest.raises(
        OSError, match=r"cannot save the checkpoint of step 0 in .*: No space left on device; nothing is lost"
    ):
        train(tiny_config(), tmp_path / "run")
    mend()
    run = train(None, tmp_path / "run", resume=True)
    assert [r["step"] for r in run.history("evaluation")] == [0, 8, 16, 24, 30]


def test_leftovers_of_killed_writes_are_removed(tmp_path):
    run = train(tiny_config(steps=6), tmp_path / "run")
    for name in ("config.json", "history.jsonl", "checkpoint.npz"):
        (run.directory / f".{name}.abc.tmp").write_bytes(b"half")
    (run.directory / "notes.tmp").touch()
    train(tiny_config(steps=7), run.directory, resume=True)
    names = sorted(p.name for p in run.directory.iterdir())
    assert names == ["checkpoint.npz", "config.json", "history.jsonl", "notes.tmp"]


def test_a_checkpoint_that_is_not_of_a_run_is_refused(tmp_path):
    run = train(tiny_config(steps=6), tmp_path / "run")
    save_checkpoint(run.checkpoint_path, make_model(run.config), Adam(), np.random.default_rng(0))
    with pytest.raises(RunError, match=r"was not saved by a run .lacks 'meter'."):
        train(None, run.directory, resume=True)


def test_seconds_go_on_counting(tmp_path):
    run = train(tiny_config(steps=6), tmp_path / "run")
    before = run.history()[-1]["seconds"]
    train(tiny_config(steps=12), run.directory, resume=True)
    assert all(r["seconds"] > before for r in run.history() if r["step"] > 6)
