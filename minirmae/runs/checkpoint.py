"""A training's state in one file: what is needed to resume as if it had never stopped.

The file is a .npz of plain arrays: the flat vectors, and a JSON text `header`
that says what they are. It knows no device: what was saved from one is loaded
into a model on any other.
"""

from __future__ import annotations

import errno
import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minirmae.arrays import Array, asarray, asnumpy
from minirmae.files import atomic_write
from minirmae.layers import Layer
from minirmae.optimizers import Optimizer
from minirmae.step import NonFiniteLoss

FORMAT = "minirmae checkpoint"
VERSION = 1
_OPTIMIZER = "optimizer."

# What zipfile and NumPy raise on one damaged file or another; an entry marked as encrypted is a RuntimeError.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, MemoryError, ValueError)


class CheckpointError(ValueError):
    """A checkpoint that cannot be used, or must not be written; the message says why."""


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds.

    Attributes:
        step: steps taken.
        parameters: path, shape and "trainable" or "fixed" of every parameter, in the order of the vectors.
        values, fixed: the model's flat vectors.
        optimizer: the optimiser's `state_dict`.
        generator: state of the generator of the noise.
        extra: what the writer added, such as the configuration.
        source: where it came from, for messages.
    """

    step: int
    parameters: list[tuple[str, tuple[int, ...], str]]
    values: Array
    fixed: Array
    optimizer: dict[str, Any]
    generator: dict[str, Any]
    extra: dict[str, Any] = field(default_factory=dict)
    source: str = "checkpoint"

    def restore(self, model: Layer, optimizer: Optimizer | None = None, rng: np.random.Generator | None = None) -> None:
        """Put the state into `model`, on the device that it is on, and into `optimizer` and `rng` if given.

        Raises CheckpointError, before the model is changed, if it has other
        parameters or another dtype, or the optimiser or generator is of another kind.
        """
        self._require_same(_describe(model), model.dtype)
        try:
            if optimizer is not None:
                optimizer.load_state_dict(self.optimizer)
                optimizer.to(model.device)
            if rng is not None:
                rng.bit_generator.state = self.generator
        except (ValueError, TypeError, KeyError) as error:
            raise CheckpointError(f"{self.source}: {error}") from error
        model.values[...] = asarray(self.values, model.device)
        model.fixed[...] = asarray(self.fixed, model.device)

    def _require_same(self, expected: list[tuple[str, tuple[int, ...], str]], dtype: np.dtype[Any]) -> None:
        """Raise CheckpointError unless the model's parameters and dtype are those of the file."""
        for wanted, found in zip(expected, self.parameters, strict=False):
            if wanted != found:
                raise CheckpointError(
                    f"{self.source}: from another architecture; the model has parameter {_in_words(wanted)}, "
                    f"where the checkpoint has {_in_words(found)}"
                )
        common = min(len(expected), len(self.parameters))
        for holder, rest in (("model", expected[common:]), ("checkpoint", self.parameters[common:])):
            if rest:
                raise CheckpointError(
                    f"{self.source}: from another architecture; only the {holder} has parameter {_in_words(rest[0])}"
                )
        if dtype != self.values.dtype:
            raise CheckpointError(
                f"{self.source}: holds {self.values.dtype} parameters, but the model's are {dtype}; "
                f"build the model in {self.values.dtype}"
            )


def save_checkpoint(
    path: str | os.PathLike[str],
    model: Layer,
    optimizer: Optimizer,
    rng: np.random.Generator,
    extra: dict[str, Any] | None = None,
) -> None:
    """Write the state of a training to `path`, replacing what is there only once all is written.

    Args:
        path: file to write, by convention .npz.
        model, optimizer, rng: what `training_steps` was given; the generator one of
            `numpy.random.default_rng`, whose state JSON can hold.
        extra: anything that `json.dumps` takes, to be found again in `Checkpoint.extra`.

    Raises:
        NonFiniteLoss: a parameter is not finite; what was at `path` is kept.
        OSError: the file cannot be written; what was at `path` is kept.
    """
    values = asnumpy(model.values)
    if not np.isfinite(values).all():
        parameters = ((name, asnumpy(p.value)) for name, p in model.named_parameters() if p.trainable)
        name = next(name for name, value in parameters if not np.isfinite(value).all())
        raise NonFiniteLoss(
            f"{path}: step {optimizer.steps} is not saved, because parameter {name} is not finite. "
            "Lower the learning rate."
        )
    state = optimizer.state_dict()
    header = {
        "format": FORMAT,
        "version": VERSION,
        "step": state.pop("steps"),
        "parameters": _describe(model),
        "generator": rng.bit_generator.state,
        "extra": extra or {},
    }
    arrays = {"header": np.array(json.dumps(header)), "values": values, "fixed": asnumpy(model.fixed)}
    arrays |= {_OPTIMIZER + name: asnumpy(vector) for name, vector in state.items()}
    write_arrays(path, arrays)


def load_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read the checkpoint at `path`, its checksums included.

    Raises:
        CheckpointError: the file is no checkpoint, truncated, damaged, written by a
            newer version, or holds pickled objects (which are never loaded).
        OSError: there is no such file, or it cannot be read.
    """
    arrays = read_arrays(path)
    try:
        header = json.loads(arrays.pop("header").item())
        if header["format"] != FORMAT:
            raise ValueError("another format")
        version = int(header["version"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: not a checkpoint of minirmae: it has no such header") from error
    if version > VERSION:
        raise CheckpointError(
            f"{path}: written in format version {version}, but this minirmae reads up to version {VERSION}; "
            "install a newer minirmae"
        )
    try:
        parameters = [(str(name), tuple(map(int, shape)), str(kind)) for name, shape, kind in header["parameters"]]
        step, generator, extra = int(header["step"]), dict(header["generator"]), dict(header["extra"])
        values, fixed = arrays.pop("values"), arrays.pop("fixed")
        moments = {name.removeprefix(_OPTIMIZER): vector for name, vector in arrays.items()}
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: damaged: its header or its arrays are incomplete ({error})") from error
    trainable = [(vector, "trainable") for vector in (values, *moments.values())]
    for vector, kind in (*trainable, (fixed, "fixed")):
        size = sum(int(np.prod(shape)) for _, shape, of in parameters if of == kind)
        if vector.shape != (size,) or vector.dtype != values.dtype or vector.dtype.kind != "f":
            raise CheckpointError(
                f"{path}: damaged: a vector of {size} {kind} numbers was expected, "
                f"got shape {vector.shape}, {vector.dtype}"
            )
    return Checkpoint(step, parameters, values, fixed, {"steps": step, **moments}, generator, extra, str(path))


def _describe(model: Layer) -> list[tuple[str, tuple[int, ...], str]]:
    """Path, shape and kind of every parameter of `model`."""
    return [(name, p.shape, "trainable" if p.trainable else "fixed") for name, p in model.named_parameters()]


def _in_words(parameter: tuple[str, tuple[int, ...], str]) -> str:
    """A parameter for a message, such as `encoder.0.W of shape (4, 4, 3, 32), trainable`."""
    name, shape, kind = parameter
    return f"{name} of shape {shape}, {kind}"


def write_arrays(path: str | os.PathLike[str], arrays: Mapping[str, Array]) -> None:
    """Write `arrays` by name to the .npz file `path`, which appears whole or not at all.

    The same arrays give the same bytes. Raises OSError if the file cannot be
    written, ValueError for an array of objects.
    """
    with atomic_write(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def read_arrays(path: str | os.PathLike[str]) -> dict[str, Array]:
    """Return the arrays in the .npz file at `path`, by name.

    Raises:
        CheckpointError: the file is no .npz file, truncated, damaged, compressed
            (so it is bounded by its size) or holds pickled objects.
        OSError: there is no such file, or it cannot be read.
    """
    with open(path, "rb") as file:
        magic = file.read(2)
    if magic != b"PK":
        got = "another kind of file" if magic else "an empty file"
        raise CheckpointError(f"{path}: not a checkpoint: expected a .npz file, got {got}")
    try:
        with zipfile.ZipFile(path) as archive:
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                raise CheckpointError(f"{path}: not a checkpoint of minirmae: it is compressed")
        with np.load(path, allow_pickle=False) as stored:
            arrays = dict(stored)
    except CheckpointError:
        raise
    except (*_DAMAGE, OSError) as error:
        # A damaged directory can ask for a seek to before the beginning; other OSErrors are the disk's.
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        if "allow_pickle" in str(error):
            raise CheckpointError(
                f"{path}: holds pickled objects, which can run code and are never loaded; "
                "a checkpoint of minirmae holds plain arrays only"
            ) from error
        raise CheckpointError(f"{path}: truncated or damaged ({error}); use a copy of it or start again") from error
    if not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise CheckpointError(f"{path}: not a checkpoint of minirmae: it holds other things than arrays")
    return arrays
