"""A directory is a run, or the error says why not and nothing has changed."""

import errno

import pytest
from training_tiny import TINY, tiny_config

from minirmae.models.autoencoder import PRESETS
from minirmae.runs import CheckpointError, RunError, open_run
from minirmae.runs.directory import create_run, explained, remove_leftovers


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
    monkeypatch.setitem(PRESETS, "tiny", TINY)


def test_a_created_run_opens(tmp_path):
    made = create_run(tmp_path / "a" / "b", tiny_config())
    assert open_run(tmp_path / "a" / "b") == made
    assert open_run(str(tmp_path / "a" / "b")).config == tiny_config()
    assert made.history() == []
    assert made.figure_path("x.png").parent.is_dir()


def test_an_empty_directory_and_leftovers_of_a_killed_write_are_no_obstacle(tmp_path):
    (tmp_path / ".config.json.abc.tmp").write_text("{")
    create_run(tmp_path, tiny_config())
    remove_leftovers(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["config.json"]


def test_a_directory_with_other_things_is_refused(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(RunError, match=r"not empty, and not a run \(it has thesis.tex\)"):
        create_run(tmp_path, tiny_config())
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_run_is_not_overwritten(tmp_path):
    create_run(tmp_path, tiny_config())
    with pytest.raises(RunError, match=r"there is a run already; resume it .minirmae train --resume"):
        create_run(tmp_path, tiny_config(seed=1))
    assert open_run(tmp_path).config.seed == 0


def test_what_is_not_a_run_is_named(tmp_path):
    with pytest.raises(RunError, match="not a run: there is no such directory"):
        open_run(tmp_path / "none")
    with pytest.raises(RunError, match=r"not a run: it has no config.json"):
        open_run(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"steps": 3}', '{"model": {}, "steps": 3}', "\xff"])
def test_a_configuration_that_cannot_be_used_is_named(tmp_path, text):
    (tmp_path / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(RunError, match=r"config.json: not the configuration of a run: "):
        open_run(tmp_path)


def test_missing_and_corrupt_pieces_are_named(tmp_path):
    made = create_run(tmp_path, tiny_config())
    with pytest.raises(RunError, match=r"has no checkpoint.npz yet; start it again with: minirmae train --resume"):
        made.model()
    made.checkpoint_path.write_bytes(b"PK nonsense")
    with pytest.raises(CheckpointError, match=r"checkpoint.npz: truncated or damaged"):
        made.model()
    with pytest.raises(RunError, match=r"history.jsonl is missing; restore it"):
        made.history()


def test_a_directory_that_cannot_be_made_is_an_oserror_that_names_it(tmp_path):
    # A file where a directory is needed stops every user, root too.
    (tmp_path / "file").touch()
    for directory in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(NotADirectoryError, match=r"cannot write a run into .*file.*: Not a directory"):
            create_run(directory, tiny_config())


@pytest.mark.parametrize("existed", [True, False])
def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch, existed):
    def full(path, text):
        raise OSError(errno.ENOSPC, "No space left on device")

    directory = tmp_path / "run"
    if existed:
        directory.mkdir()
    monkeypatch.setattr("minirmae.runs.directory.write_text", full)
    with pytest.raises(OSError, match=r"cannot write a run into .*run: No space left on device"):
        create_run(directory, tiny_config())
    assert directory.exists() == existed
    assert not existed or not list(directory.iterdir())


def test_an_explained_error_keeps_its_kind():
    with pytest.raises(PermissionError, match="cannot do it: not allowed"), explained("cannot do it"):
        raise PermissionError(errno.EACCES, "not allowed")
