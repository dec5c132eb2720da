"""What a user writes after --data opens, or the error says what was looked for."""

import re

import numpy as np
import pytest
from tiny_mnist import write_tiny_mnist

from minirmae.data import ImageFolder, open_dataset, resize, shapes, write_idx
from minirmae.data.published import PUBLISHED


@pytest.fixture
def folder(tmp_path):
    """Ten small PNG files."""
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    for i in range(10):
        image.fromarray(rng.integers(0, 256, (20, 24, 3)).astype(np.uint8)).save(tmp_path / f"{i}.png")
    return tmp_path


@pytest.fixture
def array(tmp_path):
    """A .npy file of twenty colour images."""
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 256, (20, 10, 10, 3)).astype(np.uint8))
    return tmp_path / "x.npy"


def test_shapes():
    data = open_dataset("shapes", "evaluation", seed=3, count=5)
    assert np.array_equal(data.images, shapes(5, seed=3, split="evaluation").images)
    assert open_dataset("shapes", count=5, shape=(16, 16, 3)).shape == (16, 16, 3)


def test_shapes_come_in_the_papers_number(monkeypatch):
    asked = []
    monkeypatch.setattr(
        "minirmae.data.sources.shapes", lambda count, **options: asked.append((count, options["split"]))
    )
    open_dataset("shapes")
    open_dataset("shapes", "evaluation")
    assert asked == [(50_000, "train"), (10_000, "evaluation")]


@pytest.mark.parametrize("shape", [(32, 32, 1), (32, 16, 3)])
def test_shapes_of_another_form_are_refused(shape):
    with pytest.raises(ValueError, match="shapes: gives square images with 3 channels, but"):
        open_dataset("shapes", shape=shape)


def test_mnist_is_found_and_resized(tmp_path, monkeypatch):
    monkeypatch.setitem(PUBLISHED, "mnist", write_tiny_mnist(tmp_path / "mnist"))
    monkeypatch.setenv("MINIRMAE_DATA", str(tmp_path))
    plain = open_dataset("mnist", "evaluation")
    assert (len(plain), plain.shape) == (4, (28, 28, 1))
    data = open_dataset("mnist", "evaluation", shape=(32, 32, 1))
    assert np.array_equal(data.images, resize(plain.images, 32, 32))
    assert data.dtype == np.uint8
    assert np.array_equal(data.labels, plain.labels)


def test_mnist_that_is_nowhere_lists_the_places(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINIRMAE_DATA", str(tmp_path / "none"))
    monkeypatch.setattr("minirmae.data.sources.find", lambda name: None)
    with pytest.raises(ValueError, match="not found on this machine") as caught:
        open_dataset("mnist")
    for part in (str(tmp_path / "none" / "MNIST/raw"), "data/mnist", "minirmae data fetch mnist", "MINIRMAE_DATA"):
        assert part in str(caught.value)


def test_a_directory_of_idx_files(tmp_path):
    write_tiny_mnist(tmp_path)
    assert len(open_dataset(str(tmp_path))) == 6
    assert open_dataset(str(tmp_path), shape=(14, 20, 1)).shape == (14, 20, 1)


def test_a_folder_of_images(folder):
    data = open_dataset(str(folder))
    assert isinstance(data, ImageFolder)
    assert data.shape == (64, 64, 3)
    small = open_dataset(str(folder), "evaluation", shape=(8, 8, 1), crop=None, evaluation_fraction=0.3)
    assert (len(small), small.shape, small.crop) == (3, (8, 8, 1), None)


@pytest.mark.parametrize("shape", [(8, 9, 3), (8, 8, 2)])
def test_a_folder_gives_square_grey_or_colour_images(folder, shape):
    with pytest.raises(ValueError, match="gives square images with 1 or 3 channels"):
        open_dataset(str(folder), shape=shape)


@pytest.mark.parametrize("split", ["train", "evaluation"])
def test_an_array_file_is_resized_within_its_split(array, split):
    plain = open_dataset(str(array), split, evaluation_fraction=0.2)
    data = open_dataset(str(array), split, shape=(5, 7, 3), evaluation_fraction=0.2)
    assert (data.name, len(data), data.shape) == (plain.name, len(plain), (5, 7, 3))
    everything = np.load(array)[plain.indices]
    assert np.array_equal(data.batch(range(len(data))), resize(everything, 5, 7) / np.float32(255))


@pytest.mark.parametrize("shape", [(10, 10, 1), (32, 32, 1)])
def test_channels_are_never_changed_silently(array, shape):
    with pytest.raises(ValueError, match="images have 3 channels, but 1 were asked for; choose a model"):
        open_dataset(str(array), shape=shape)


def test_count_takes_the_first(array):
    whole, part = open_dataset(str(array)), open_dataset(str(array), count=4)
    assert len(part) == 4
    assert np.array_equal(part.batch(range(4)), whole.batch(range(4)))
    with pytest.raises(ValueError, match="99 train images were asked for, but there are only 18"):
        open_dataset(str(array), count=99)
    with pytest.raises(ValueError, match="count must be an integer of at least 1"):
        open_dataset(str(array), count=0)


def test_a_home_directory_is_expanded(array, monkeypatch):
    monkeypatch.setenv("HOME", str(array.parent))
    monkeypatch.setenv("USERPROFILE", str(array.parent))
    assert len(open_dataset("~/x.npy")) == 18


def test_a_path_may_have_the_name_of_a_source(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_tiny_mnist(tmp_path / "shapes")
    assert len(open_dataset("./shapes")) == 6


def test_an_empty_directory_says_what_was_looked_for(tmp_path):
    with pytest.raises(ValueError, match=r"nothing usable.*IDX files.*PNG or JPEG"):
        open_dataset(str(tmp_path))


def test_an_idx_file_points_to_its_directory(tmp_path):
    write_idx(tmp_path / "train-images-idx3-ubyte", np.zeros((2, 8, 8), dtype=np.uint8))
    with pytest.raises(ValueError, match="give the directory that they are in"):
        open_dataset(str(tmp_path / "train-images-idx3-ubyte"))


def test_what_does_not_exist_lists_all_that_would(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=re.escape(f"nothing at {tmp_path / 'cifar'}")) as caught:
        open_dataset("cifar")
    for part in ("cifar: no such data", "shapes, mnist, fashion-mnist", "IDX", "PNG", ".npy"):
        assert part in str(caught.value)


def test_the_split_is_checked_first():
    with pytest.raises(ValueError, match="split must be one of train, evaluation; got 'test'"):
        open_dataset("nowhere", "test")


def test_the_limit_reaches_the_readers(tmp_path, array):
    write_tiny_mnist(tmp_path / "idx")
    np.savez(tmp_path / "x.npz", np.load(array))
    for source in (tmp_path / "idx", tmp_path / "x.npz"):
        with pytest.raises(ValueError, match="limit of 50"):
            open_dataset(str(source), max_bytes=50)
