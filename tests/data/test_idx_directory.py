"""A directory of IDX files is recognised by its names, in all their variants."""

import numpy as np
import pytest

from minirmae.data import DataError, idx_directory, resize, write_idx
from minirmae.data.idx_directory import find_idx_file


def digits(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 28, 28)).astype(np.uint8)


def save(directory, images, labels, split="train", form="{}-{}-idx{}-ubyte.gz"):
    write_idx(directory / form.format(split, "images", images.ndim), images)
    write_idx(directory / form.format(split, "labels", 1), np.asarray(labels, dtype=np.uint8))


@pytest.mark.parametrize(
    "form",
    [
        "{}-{}-idx{}-ubyte",
        "{}-{}-idx{}-ubyte.gz",
        "{}-{}.idx{}-ubyte",
        "{}-{}.idx{}-ubyte.gz",
        "emnist-letters-{}-{}-idx{}-ubyte.gz",
    ],
)
@pytest.mark.parametrize("test", ["t10k", "test"])
def test_both_splits_are_found_under_every_name(tmp_path, form, test):
    train, evaluation = digits(5, 1), digits(3, 2)
    save(tmp_path, train, [0, 1, 2, 3, 4], "train", form)
    save(tmp_path, evaluation, [7, 8, 9], test, form)
    first, second = idx_directory(tmp_path, "train", size=None), idx_directory(tmp_path, "evaluation", size=None)
    assert np.array_equal(first.images, train[..., None])
    assert first.labels.tolist() == [0, 1, 2, 3, 4]
    assert np.array_equal(second.images, evaluation[..., None])
    assert second.labels.tolist() == [7, 8, 9]
    assert first.name == f"{tmp_path.name}/train"


def test_images_are_resized_to_32_unless_told_otherwise(tmp_path):
    images = digits(4)
    save(tmp_path, images, range(4))
    data = idx_directory(tmp_path)
    assert data.shape == (32, 32, 1)
    assert data.dtype == np.uint8
    assert np.array_equal(data.images, resize(images[..., None], 32, 32))
    assert idx_directory(tmp_path, size=16).shape == (16, 16, 1)


def test_colour_images_are_taken(tmp_path):
    write_idx(tmp_path / "train-images-idx4-ubyte", np.zeros((2, 8, 8, 3), dtype=np.uint8))
    assert idx_directory(tmp_path, size=None).shape == (8, 8, 3)


def test_labels_may_be_missing(tmp_path):
    write_idx(tmp_path / "train-images-idx3-ubyte", digits(2))
    assert idx_directory(tmp_path).labels is None


def test_the_plain_file_is_taken_before_the_gzipped(tmp_path):
    write_idx(tmp_path / "train-images-idx3-ubyte.gz", digits(2))
    write_idx(tmp_path / "train-images-idx3-ubyte", digits(2))
    assert find_idx_file(tmp_path, "train", "images") == tmp_path / "train-images-idx3-ubyte"


def test_other_files_are_passed_over(tmp_path):
    save(tmp_path, digits(2), [0, 1])
    (tmp_path / "train-images-idx3-ubyte.gz.part").write_bytes(b"half")
    (tmp_path / "train-images-idx3-ubyte").mkdir()
    assert len(idx_directory(tmp_path)) == 2


def test_images_and_labels_must_agree(tmp_path):
    save(tmp_path, digits(3), [0, 1])
    with pytest.raises(DataError, match=r"holds 3 images, but .*labels.* has labels of shape \(2,\)"):
        idx_directory(tmp_path)


def test_a_missing_split_is_named(tmp_path):
    save(tmp_path, digits(3), [0, 1, 2])
    with pytest.raises(DataError, match="no evaluation images: expected a file t10k-images-idx3-ubyte"):
        idx_directory(tmp_path, "evaluation")


def test_files_of_several_data_sets_are_refused(tmp_path):
    save(tmp_path, digits(2), [0, 1])
    save(tmp_path, digits(2), [0, 1], form="emnist-{}-{}-idx{}-ubyte")
    with pytest.raises(DataError, match=r"several data sets .*put each into a directory of its own"):
        idx_directory(tmp_path)


def test_integers_other_than_bytes_are_refused(tmp_path):
    write_idx(tmp_path / "train-images-idx3-int", digits(2).astype(np.int32))
    with pytest.raises(TypeError, match=r"images must be uint8 .* got int32"):
        idx_directory(tmp_path)


def test_the_limit_reaches_the_reader(tmp_path):
    save(tmp_path, digits(3), [0, 1, 2])
    with pytest.raises(DataError, match="limit of 100 bytes"):
        idx_directory(tmp_path, max_bytes=100)


def test_a_missing_directory_and_an_unknown_split_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        idx_directory(tmp_path / "nothing")
    with pytest.raises(ValueError, match="split must be one of train, evaluation"):
        idx_directory(tmp_path, "test")
