"""A checkpoint gives back what was saved, to its own model and to no other; a file that is none says why."""

import io
import json
import pickle
import random
import zipfile

import numpy as np
import pytest

from minirmae.data import ArrayDataset
from minirmae.layers import Dropout, Flatten, Linear, LinearStack, Reshape, Sequential
from minirmae.optimizers import SGD, Adam, AdamW, Momentum
from minirmae.runs import CheckpointError, NonFiniteLoss, fit, load_checkpoint, save_checkpoint
from minirmae.runs.checkpoint import read_arrays, write_arrays

DATA = ArrayDataset(np.random.default_rng(0).integers(0, 256, (10, 3, 3, 1), dtype=np.uint8))


def model(n=2, trainable=True, dtype=np.float32, extra=()):
    rng = np.random.default_rng(1)
    ends = Linear(9, n, rng=rng, dtype=dtype), Linear(n, 9, rng=rng, dtype=dtype)
    stack = LinearStack(n, 2, rng=rng, trainable=trainable, dtype=dtype)
    return Sequential(Flatten(), ends[0], Dropout(0.2), stack, ends[1], Reshape((3, 3, 1)), *extra)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "c.npz"
    network, optimizer, rng = model(), Adam(1e-2), np.random.default_rng(3)
    fit(network, DATA, optimizer, steps=3, rng=rng)
    save_checkpoint(path, network, optimizer, rng, {"note": 0.1})
    return path


@pytest.mark.parametrize("make", [SGD, Momentum, Adam, AdamW])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("trainable", [True, False])
def test_training_goes_on_bit_for_bit(tmp_path, make, dtype, trainable):
    network, optimizer, rng = model(2, trainable, dtype), make(1e-2), np.random.default_rng(3)
    fit(network, DATA, optimizer, steps=4, batch_size=4, rng=rng)
    save_checkpoint(tmp_path / "c.npz", network, optimizer, rng, {"note": 0.1})
    fit(network, DATA, optimizer, steps=4, batch_size=4, rng=rng)

    again, again_optimizer, again_rng = model(2, trainable, dtype), make(1e-2), np.random.default_rng(99)
    again.values[...] = again.fixed[...] = 7
    checkpoint = load_checkpoint(tmp_path / "c.npz")
    checkpoint.restore(again, again_optimizer, again_rng)
    assert (checkpoint.step, checkpoint.extra) == (4, {"note": 0.1})
    fit(again, DATA, again_optimizer, steps=4, batch_size=4, rng=again_rng)
    np.testing.assert_array_equal(again.values, network.values)
    np.testing.assert_array_equal(again.fixed, network.fixed)
    assert again_rng.bit_generator.state == rng.bit_generator.state


def test_a_checkpoint_before_the_first_step_has_no_moments(tmp_path):
    save_checkpoint(tmp_path / "c.npz", model(), Adam(1e-2), np.random.default_rng(0))
    optimizer = Adam(1e-2)
    load_checkpoint(tmp_path / "c.npz").restore(model(), optimizer)
    assert (optimizer.steps, optimizer.moments) == (0, {})


@pytest.mark.parametrize(
    "other, message",
    [
        (
            lambda: model(3),
            r"the model has parameter 1.W of shape \(9, 3\), trainable, where the checkpoint has 1.W of",
        ),
        (lambda: model(trainable=False), r"has parameter 3.W of shape \(2, 2, 2\), fixed, where"),
        (
            lambda: model(extra=[Flatten(), Linear(9, 9, rng=np.random.default_rng(0))]),
            r"another architecture; only the model has parameter 7.W of shape \(9, 9\), trainable",
        ),
        (lambda: Sequential(*list(model().children.values())[:4]), "only the checkpoint has parameter 4.W of"),
        (lambda: model(dtype=np.float64), "holds float32 parameters, but the model's are float64"),
    ],
)
def test_another_architecture_is_named_and_untouched(path, other, message):
    network, optimizer, rng = other(), Adam(1e-2), np.random.default_rng(4)
    before, state = network.values.copy(), rng.bit_generator.state
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(path).restore(network, optimizer, rng)
    np.testing.assert_array_equal(network.values, before)
    assert (optimizer.steps, rng.bit_generator.state) == (0, state)


def test_another_optimizer_or_generator_is_refused(path):
    with pytest.raises(CheckpointError, match="Momentum: the state must hold steps, velocity"):
        load_checkpoint(path).restore(model(), Momentum(1e-2))
    with pytest.raises(CheckpointError, match="MT19937"):
        load_checkpoint(path).restore(model(), rng=np.random.Generator(np.random.MT19937()))


def test_parameters_that_are_not_finite_are_not_saved(path):
    before = path.read_bytes()
    network = model()
    network.children["4"].parameters["b"].value[2] = np.nan
    with pytest.raises(NonFiniteLoss, match=r"step 0 is not saved, because parameter 4.b is not finite"):
        save_checkpoint(path, network, Adam(), np.random.default_rng(0))
    assert path.read_bytes() == before


def rewrite(path, **changes):
    """Change fields of the header; None removes one."""
    arrays = read_arrays(path)
    header = {**json.loads(arrays["header"].item()), **changes}
    header = {name: value for name, value in header.items() if value is not None}
    write_arrays(path, {**arrays, "header": np.array(json.dumps(header))})


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"format": "something"}, "not a checkpoint of minirmae: it has no such header"),
        ({"format": None}, "not a checkpoint of minirmae: it has no such header"),
        ({"version": 2}, "format version 2, but this minirmae reads up to version 1; install a newer"),
        ({"step": None}, r"damaged: its header or its arrays are incomplete \('step'\)"),
        ({"parameters": [["W", [3]]]}, "damaged: its header or its arrays are incomplete"),
        ({"parameters": [["W", [3], "trainable"]]}, "damaged: a vector of 3 trainable numbers was expected"),
    ],
)
def test_a_header_that_is_wrong_is_refused(path, changes, message):
    rewrite(path, **changes)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(path)


@pytest.mark.parametrize("missing", ["header", "values", "fixed"])
def test_an_array_that_is_missing_is_noticed(path, missing):
    arrays = read_arrays(path)
    del arrays[missing]
    write_arrays(path, arrays)
    with pytest.raises(CheckpointError, match=f"incomplete.*{missing}|no such header"):
        load_checkpoint(path)


def test_an_array_of_another_kind_is_noticed(path):
    arrays = read_arrays(path)
    for name, array in (("values", arrays["values"].astype(int)), ("optimizer.first_moment", arrays["values"][:-1])):
        write_arrays(path, {**arrays, name: array})
        with pytest.raises(CheckpointError, match="damaged: a vector of"):
            load_checkpoint(path)


def test_a_npz_of_somebody_else_is_refused(path):
    np.savez(path, weights=np.zeros(3))
    with pytest.raises(CheckpointError, match="not a checkpoint of minirmae"):
        load_checkpoint(path)


ARRAYS = {
    "header": np.array("some text, é"),
    "values": np.arange(1000, dtype=np.float32),
    "fixed": np.empty(0, dtype=np.float32),
    "optimizer.first_moment": np.linspace(0, 1, 7),
}


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "c.npz"
    write_arrays(path, ARRAYS)
    return path


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def test_round_trip_keeps_bits_and_dtypes(archive):
    arrays = read_arrays(archive)
    assert list(arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)


def test_numpy_opens_the_file(archive):
    with np.load(archive, allow_pickle=False) as stored:
        np.testing.assert_array_equal(stored["values"], ARRAYS["values"])


def test_the_same_arrays_give_the_same_bytes(archive, tmp_path):
    write_arrays(tmp_path / "again.npz", ARRAYS)
    assert archive.read_bytes() == (tmp_path / "again.npz").read_bytes()


def test_objects_are_not_written(archive):
    before = archive.read_bytes()
    with pytest.raises(ValueError, match="allow_pickle"):
        write_arrays(archive, {"values": np.array([{}], dtype=object)})
    assert archive.read_bytes() == before
    assert [p.name for p in archive.parent.iterdir()] == ["c.npz"]


def test_every_truncation_is_noticed(archive):
    whole = archive.read_bytes()
    for length in [*range(0, len(whole), 37), len(whole) - 1]:
        archive.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=r"truncated or damaged|not a checkpoint"):
            read_arrays(archive)


def test_a_changed_bit_in_the_numbers_is_noticed(archive):
    whole = bytearray(archive.read_bytes())
    place = whole.index(ARRAYS["values"].tobytes())
    for offset in (0, 1999, 3999):
        damaged = whole.copy()
        damaged[place + offset] ^= 4
        archive.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"truncated or damaged \(Bad CRC-32"):
            read_arrays(archive)


def test_damage_anywhere_is_noticed_or_harmless(archive):
    whole, draw = archive.read_bytes(), random.Random(0)
    directory = whole.index(b"PK\x01\x02")
    for _ in range(400):
        damaged = bytearray(whole)
        # Half of the damage hits the archive's directory, which no checksum covers.
        damaged[draw.randrange(draw.choice((0, directory)), len(whole))] = draw.randrange(256)
        archive.write_bytes(damaged)
        try:
            arrays = read_arrays(archive)
        except CheckpointError:
            continue
        for name, array in arrays.items():
            if name in ARRAYS:
                np.testing.assert_array_equal(array, ARRAYS[name])


@pytest.mark.parametrize("content, got", [(b"", "an empty file"), (b"hello", "another kind of file")])
def test_other_files_are_named(archive, content, got):
    archive.write_bytes(content)
    with pytest.raises(CheckpointError, match=f"not a checkpoint: expected a .npz file, got {got}"):
        read_arrays(archive)


class Trap:
    """Unpickling one of these is what must not happen."""

    def __reduce__(self):
        return pytest.fail, ("a pickled object was loaded",)


def test_pickled_objects_are_never_loaded(archive):
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("values.npy", npy(np.array([Trap()], dtype=object)))
    with pytest.raises(CheckpointError, match="holds pickled objects, which can run code and are never loaded"):
        read_arrays(archive)
    archive.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        read_arrays(archive)


def test_a_compressed_file_is_refused_before_it_unpacks(archive):
    np.savez_compressed(archive, values=np.zeros(10**6))
    with pytest.raises(CheckpointError, match="it is compressed"):
        read_arrays(archive)


def test_an_array_that_claims_to_be_huge_is_refused(archive):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (2**50,)})
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("values.npy", header.getvalue() + b"\0" * 64)
    with pytest.raises(CheckpointError, match="truncated or damaged"):
        read_arrays(archive)


def test_a_zip_of_something_else_is_refused(archive):
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("letter.txt", "dear reader")
    with pytest.raises(CheckpointError, match="holds other things than arrays"):
        read_arrays(archive)


def test_a_missing_file_is_an_oserror(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_arrays(tmp_path / "none.npz")
