"""Arrays from .npy and .npz: read or mapped, split without overlap, never unpickled."""

import io
import zipfile
from importlib import import_module

import numpy as np
import pytest

from minirmae.data import DataError, array_file, split_indices

module = import_module("minirmae.data.arrays")


def levels(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, 6, 5, 3)).astype(np.uint8)


def both_splits(path, **options):
    return array_file(path, "train", **options), array_file(path, "evaluation", **options)


@pytest.mark.parametrize("limit", [0, 1 << 30], ids=["mapped", "loaded"])
def test_npy_is_split_in_two_without_overlap(tmp_path, monkeypatch, limit):
    monkeypatch.setattr(module, "MAP_FROM_BYTES", limit)
    images = levels(20)
    np.save(tmp_path / "faces.npy", images)
    train, evaluation = both_splits(tmp_path / "faces.npy", evaluation_fraction=0.25)
    assert (len(train), len(evaluation), train.shape) == (15, 5, (6, 5, 3))
    assert (train.name, evaluation.name) == ("faces/train", "faces/evaluation")
    for split, data in (("train", train), ("evaluation", evaluation)):
        expected = images[split_indices("", 20, split, 0.25)] / np.float32(255)
        assert np.array_equal(data.batch(range(len(data))), expected)


def test_a_large_npy_stays_on_the_disk(tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", levels(20))
    assert not isinstance(array_file(tmp_path / "x.npy").dataset.images.base, np.memmap)
    monkeypatch.setattr(module, "MAP_FROM_BYTES", 0)
    assert isinstance(array_file(tmp_path / "x.npy").dataset.images.base, np.memmap)


def test_npz_with_images_and_labels(tmp_path):
    images = levels(10)
    np.savez_compressed(tmp_path / "x.npz", images=images, labels=np.arange(10), remark=np.zeros(2))
    train, evaluation = both_splits(tmp_path / "x.npz")
    assert sorted([*train.labels, *evaluation.labels]) == list(range(10))
    assert np.array_equal(evaluation.batch([0])[0], images[evaluation.labels[0]] / np.float32(255))


def test_npz_with_one_array_of_any_name(tmp_path):
    np.savez(tmp_path / "x.npz", levels(10))
    assert len(array_file(tmp_path / "x.npz")) == 9


def test_npz_with_both_splits(tmp_path):
    np.savez(tmp_path / "x.npz", x_train=levels(6), y_train=np.arange(6), x_test=levels(4), y_test=np.arange(4))
    train, evaluation = both_splits(tmp_path / "x.npz")
    assert (len(train), len(evaluation)) == (6, 4)
    assert np.array_equal(evaluation.images, levels(4))
    assert evaluation.labels.tolist() == [0, 1, 2, 3]


def test_training_images_alone_are_not_evaluated_on(tmp_path):
    np.savez(tmp_path / "x.npz", x_train=levels(6))
    with pytest.raises(DataError, match="no evaluation images: expected an array x_test, found x_train"):
        array_file(tmp_path / "x.npz", "evaluation")


def test_other_names_are_listed(tmp_path):
    np.savez(tmp_path / "x.npz", a=levels(2), b=levels(2))
    with pytest.raises(DataError, match=r"expected an array named images .* found a, b; save with"):
        array_file(tmp_path / "x.npz")


class Bomb:
    """Unpickling this would raise."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('unpickled')",))


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_pickled_objects_are_refused_unread(tmp_path, name):
    objects = np.array([Bomb(), Bomb()], dtype=object)
    (np.save if name == "x.npy" else np.savez)(tmp_path / name, objects, allow_pickle=True)
    with pytest.raises(DataError, match="pickled objects are refused"):
        array_file(tmp_path / name)


@pytest.mark.parametrize("cut", [7, 60, 128, -1])
def test_a_truncated_npy_is_refused(tmp_path, cut):
    np.save(tmp_path / "x.npy", levels(10))
    whole = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(whole[:cut])
    with pytest.raises(DataError, match=r"x.npy: cannot be read as arrays of numbers"):
        array_file(tmp_path / "x.npy")


@pytest.mark.parametrize("place", [30, 0.5, -10], ids=["name", "values", "directory"])
def test_a_corrupt_npz_is_refused(tmp_path, place):
    np.savez_compressed(tmp_path / "x.npz", images=levels(50))
    broken = bytearray((tmp_path / "x.npz").read_bytes())
    at = int(len(broken) * place) if isinstance(place, float) else place
    broken[at] ^= 0xFF
    (tmp_path / "x.npz").write_bytes(broken)
    with pytest.raises(DataError, match=r"x.npz: cannot be read as arrays of numbers"):
        array_file(tmp_path / "x.npz")


def npy_header(shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def test_an_absurd_npy_is_refused_without_taking_memory(tmp_path):
    (tmp_path / "x.npy").write_bytes(npy_header((10**6, 10**6, 10**4)) + bytes(100))
    with pytest.raises(DataError, match="cannot be read"):
        array_file(tmp_path / "x.npy")


def test_an_absurd_npz_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("images.npy", npy_header((10**7, 10**7, 10**4)) + bytes(100))
    with pytest.raises(DataError, match="cannot be read"):
        array_file(tmp_path / "x.npz")


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path):
    np.savez_compressed(tmp_path / "x.npz", images=np.zeros((1000, 32, 32), dtype=np.uint8))
    with pytest.raises(DataError, match="unpacks to 1024128 bytes, more than the limit of 1000000"):
        array_file(tmp_path / "x.npz", max_bytes=1_000_000)


def test_what_is_neither_is_refused(tmp_path):
    (tmp_path / "x.npy").write_text("1,2,3")
    with pytest.raises(DataError, match=r"not a \.npy or \.npz file"):
        array_file(tmp_path / "x.npy")


def test_the_images_are_checked_as_any_others(tmp_path):
    np.save(tmp_path / "x.npy", np.full((3, 4, 4, 1), np.nan))
    with pytest.raises(ValueError, match="48 of 48 values are NaN or infinite"):
        array_file(tmp_path / "x.npy")
