"""Files that a machine has are found by what they are, not by what they are called."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from tiny_mnist import NAMES, write_tiny_mnist

from minirmae.data import cache_directory, find, search_places
from minirmae.data.published import PUBLISHED


@pytest.fixture(autouse=True)
def bare_machine(tmp_path, monkeypatch):
    """A home and a working directory without data, and a tiny set under the name mnist."""
    for name in ("home", "work", "elsewhere"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("MINIRMAE_DATA", raising=False)
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setitem(PUBLISHED, "mnist", write_tiny_mnist(tmp_path / "original"))
    return tmp_path


def test_a_bare_machine_has_nothing():
    assert find("mnist") is None


@pytest.mark.parametrize(
    "place",
    [
        "work/data",
        "work/data/mnist",
        "work/data/MNIST/raw",
        "home/.cache/minirmae/mnist",
        "home/.keras/datasets/mnist",
        "home/.mxnet/datasets/mnist",
    ],
)
def test_every_documented_place_is_searched(bare_machine, place):
    write_tiny_mnist(bare_machine / place)
    found = find("mnist")
    assert found is not None
    assert found.resolve() == (bare_machine / place).resolve()


@pytest.mark.parametrize("below", ["", "mnist", "MNIST/raw"])
def test_the_environment_comes_first(bare_machine, monkeypatch, below):
    write_tiny_mnist(bare_machine / "work/data")
    write_tiny_mnist(bare_machine / "elsewhere" / below)
    monkeypatch.setenv("MINIRMAE_DATA", str(bare_machine / "elsewhere"))
    assert find("mnist") == bare_machine / "elsewhere" / below


def test_debian_packages_are_searched():
    assert Path("/usr/share/datasets/fashion-mnist") in search_places("fashion-mnist")


def test_keras_file_counts(bare_machine):
    target = bare_machine / "home/.keras/datasets"
    target.mkdir(parents=True)
    np.savez(target / "mnist.npz", x_train=np.zeros((2, 28, 28), dtype=np.uint8))
    assert find("mnist") == target / "mnist.npz"


def test_plain_files_count(bare_machine):
    target = bare_machine / "work/data"
    target.mkdir()
    for name in NAMES:
        (target / name.removesuffix(".gz")).write_bytes(
            gzip.decompress((bare_machine / "original" / name).read_bytes())
        )
    assert find("mnist") == Path("data")


def test_another_set_with_the_same_names_is_not_taken(bare_machine):
    write_tiny_mnist(bare_machine / "work/data/mnist", seed=1)
    assert find("mnist") is None
    write_tiny_mnist(bare_machine / "work/data/MNIST")
    assert find("mnist") == Path("data/MNIST")


@pytest.mark.parametrize("missing", NAMES)
def test_an_incomplete_set_is_not_taken(bare_machine, missing):
    write_tiny_mnist(bare_machine / "work/data")
    (bare_machine / "work/data" / missing).unlink()
    assert find("mnist") is None


def test_the_cache_follows_the_environment(bare_machine, monkeypatch):
    assert cache_directory() == bare_machine / "home/.cache/minirmae"
    monkeypatch.setenv("XDG_CACHE_HOME", str(bare_machine / "elsewhere"))
    assert cache_directory() == bare_machine / "elsewhere/minirmae"


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="name must be one of mnist, fashion-mnist; got 'cifar'"):
        find("cifar")
