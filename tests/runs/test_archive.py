"""Whatever a file is, reading it gives its arrays or says what is wrong."""

import io
import pickle
import random
import zipfile

import numpy as np
import pytest

from minirmae.runs import CheckpointError
from minirmae.runs.archive import read_arrays, write_arrays

ARRAYS = {
    "header": np.array("some text, é"),
    "values": np.arange(1000, dtype=np.float32),
    "fixed": np.empty(0, dtype=np.float32),
    "optimizer.first_moment": np.linspace(0, 1, 7),
}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "c.npz"
    write_arrays(path, ARRAYS)
    return path


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def test_round_trip_keeps_bits_and_dtypes(path):
    arrays = read_arrays(path)
    assert list(arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)


def test_numpy_opens_the_file(path):
    with np.load(path, allow_pickle=False) as stored:
        np.testing.assert_array_equal(stored["values"], ARRAYS["values"])


def test_the_same_arrays_give_the_same_bytes(path, tmp_path):
    write_arrays(tmp_path / "again.npz", ARRAYS)
    assert path.read_bytes() == (tmp_path / "again.npz").read_bytes()


def test_objects_are_not_written(path):
    before = path.read_bytes()
    with pytest.raises(ValueError, match="allow_pickle"):
        write_arrays(path, {"values": np.array([{}], dtype=object)})
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["c.npz"]


def test_every_truncation_is_noticed(path):
    whole = path.read_bytes()
    for length in [*range(0, len(whole), 37), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=r"truncated or damaged|not a checkpoint"):
            read_arrays(path)


def test_a_changed_bit_in_the_numbers_is_noticed(path):
    whole = bytearray(path.read_bytes())
    place = whole.index(ARRAYS["values"].tobytes())
    for offset in (0, 1999, 3999):
        damaged = whole.copy()
        damaged[place + offset] ^= 4
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"truncated or damaged \(Bad CRC-32"):
            read_arrays(path)


def test_damage_anywhere_is_noticed_or_harmless(path):
    whole, draw = path.read_bytes(), random.Random(0)
    directory = whole.index(b"PK\x01\x02")
    for _ in range(400):
        damaged = bytearray(whole)
        # Half of the damage hits the archive's directory, which no checksum covers.
        damaged[draw.randrange(draw.choice((0, directory)), len(whole))] = draw.randrange(256)
        path.write_bytes(damaged)
        try:
            arrays = read_arrays(path)
        except CheckpointError:
            continue
        for name, array in arrays.items():
            if name in ARRAYS:
                np.testing.assert_array_equal(array, ARRAYS[name])


@pytest.mark.parametrize("content, got", [(b"", "an empty file"), (b"hello", "another kind of file")])
def test_other_files_are_named(path, content, got):
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=f"not a checkpoint: expected a .npz file, got {got}"):
        read_arrays(path)


class Trap:
    """Unpickling one of these is what must not happen."""

    def __reduce__(self):
        return pytest.fail, ("a pickled object was loaded",)


def test_pickled_objects_are_never_loaded(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("values.npy", npy(np.array([Trap()], dtype=object)))
    with pytest.raises(CheckpointError, match="holds pickled objects, which can run code and are never loaded"):
        read_arrays(path)
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        read_arrays(path)


def test_a_compressed_file_is_refused_before_it_unpacks(path):
    np.savez_compressed(path, values=np.zeros(10**6))
    with pytest.raises(CheckpointError, match="it is compressed"):
        read_arrays(path)


def test_an_array_that_claims_to_be_huge_is_refused(path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (2**50,)})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("values.npy", header.getvalue() + b"\0" * 64)
    with pytest.raises(CheckpointError, match="truncated or damaged"):
        read_arrays(path)


def test_a_zip_of_something_else_is_refused(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("letter.txt", "dear reader")
    with pytest.raises(CheckpointError, match="holds other things than arrays"):
        read_arrays(path)


def test_a_missing_file_is_an_oserror(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_arrays(tmp_path / "none.npz")
