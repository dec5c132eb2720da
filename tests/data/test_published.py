"""A published file is known by its content, however it is compressed, and found by it rather than by its name."""

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest
from tiny_mnist import NAMES, write_tiny_mnist

from minirmae.data import cache_directory, find, search_places
from minirmae.data.published import PUBLISHED, PublishedFile, is_published, published_set

CONTENT = bytes(range(256)) * 20
FILE = PublishedFile("labels.gz", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


@pytest.mark.parametrize("stored", [CONTENT, gzip.compress(CONTENT, 1), gzip.compress(CONTENT, 9, mtime=7)])
def test_the_content_counts_not_the_compression(tmp_path, stored):
    (tmp_path / "file").write_bytes(stored)
    assert is_published(FILE, tmp_path / "file")


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        CONTENT[:-1],
        CONTENT + b"\0",
        CONTENT[:-1] + b"\0",
        gzip.compress(CONTENT)[:-1],
        gzip.compress(CONTENT[:-1]),
        gzip.compress(CONTENT + bytes(1 << 20)),
        gzip.compress(CONTENT) + b"rubbish",
    ],
)
def test_anything_else_does_not(tmp_path, stored):
    (tmp_path / "file").write_bytes(stored)
    assert not is_published(FILE, tmp_path / "file")


def test_a_missing_file_does_not(tmp_path):
    assert not is_published(FILE, tmp_path / "file")
    assert not is_published(FILE, tmp_path)


def test_the_tables_are_well_formed():
    for name, published in PUBLISHED.items():
        assert published.name == name
        assert [file.content_bytes for file in published.files] == [
            16 + 60000 * 784,
            8 + 60000,
            16 + 10000 * 784,
            8 + 10000,
        ]
        assert all(len(bytes.fromhex(file.sha256)) == 32 for file in published.files)
        assert all(mirror.startswith(("http://", "https://")) for mirror in published.mirrors)
    assert len({file.sha256 for published in PUBLISHED.values() for file in published.files}) == 8


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="fetch: name must be one of mnist, fashion-mnist; got 'cifar'"):
        published_set("fetch", "cifar")


@pytest.fixture
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


@pytest.mark.usefixtures("bare_machine")
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


@pytest.mark.usefixtures("bare_machine")
def test_unknown_names_are_not_looked_for():
    with pytest.raises(ValueError, match="name must be one of mnist, fashion-mnist; got 'cifar'"):
        find("cifar")
