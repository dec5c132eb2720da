"""A run is a directory, and everything about the run is in it.

config.json      what was asked for
history.jsonl    losses and ranks over the steps
checkpoint.npz   the weights, and what it takes to resume
figures/         pictures made of it
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from minirmae.files import write_text
from minirmae.models.autoencoder import Autoencoder
from minirmae.models.classifier import Classifier
from minirmae.runs import history
from minirmae.runs.build import make_model
from minirmae.runs.checkpoint import Checkpoint, load_checkpoint
from minirmae.runs.config import TrainingConfig

_CONFIG, _HISTORY, _CHECKPOINT = "config.json", "history.jsonl", "checkpoint.npz"


class RunError(ValueError):
    """A directory that is not a run, or already is one, or lacks a piece; the message says what to do."""


@dataclass(frozen=True)
class Run:
    """A run that exists: its directory and its configuration; see `open_run` and `create_run`."""

    directory: Path
    config: TrainingConfig

    @property
    def config_path(self) -> Path:
        return self.directory / _CONFIG

    @property
    def history_path(self) -> Path:
        return self.directory / _HISTORY

    @property
    def checkpoint_path(self) -> Path:
        return self.directory / _CHECKPOINT

    def history(self, kind: str | None = None) -> list[history.Record]:
        """Return the records, or those of one kind, "train" or "evaluation".

        A run that has not begun has none. Raises RunError if a run that has begun
        lacks the file, HistoryError if a line is not a record.
        """
        if not self.history_path.exists():
            if self.checkpoint_path.exists():
                raise RunError(
                    f"{self.directory}: {_HISTORY} is missing; restore it, or begin a new one with an empty file"
                )
            return []
        return [record for record in history.read(self.history_path) if kind in (None, record["kind"])]

    def checkpoint(self) -> Checkpoint:
        """Return the last checkpoint; RunError if there is none yet, CheckpointError if it cannot be used."""
        if not self.checkpoint_path.exists():
            raise RunError(
                f"{self.directory}: has no {_CHECKPOINT} yet; start it again with: "
                f"minirmae train --resume {self.directory}"
            )
        return load_checkpoint(self.checkpoint_path)

    def model(self) -> Autoencoder:
        """Return the trained autoencoder; RunError if the run trained a classifier, or what `checkpoint` raises."""
        model = self._trained()
        if isinstance(model, Classifier):
            raise RunError(f"{self.directory}: trained a classifier, which has no codes; take a run of an autoencoder")
        return model

    def classifier(self) -> Classifier:
        """Return the trained classifier; RunError if the run trained an autoencoder, or what `checkpoint` raises."""
        model = self._trained()
        if not isinstance(model, Classifier):
            raise RunError(
                f"{self.directory}: trained an autoencoder, not a classifier; "
                "train one with: minirmae train --objective classify"
            )
        return model

    def _trained(self) -> Autoencoder | Classifier:
        checkpoint, model = self.checkpoint(), make_model(self.config)
        checkpoint.restore(model)
        return model

    def figure_path(self, name: str) -> Path:
        """Return where the figure `name` belongs, and make its directory if it is missing."""
        figures = self.directory / "figures"
        figures.mkdir(exist_ok=True)
        return figures / name

    def write_config(self) -> None:
        """Write config.json; raises OSError if it cannot be."""
        write_text(self.config_path, json.dumps(self.config.to_json(), indent=2) + "\n")


def open_run(directory: str | os.PathLike[str]) -> Run:
    """Return the run in `directory`.

    Raises:
        RunError: there is none, or its configuration cannot be used.
        OSError: it cannot be read.
    """
    directory = Path(directory)
    path = directory / _CONFIG
    if not path.is_file():
        missing = f"it has no {_CONFIG}" if directory.is_dir() else "there is no such directory"
        raise RunError(f"{directory}: not a run: {missing}")
    try:
        config = TrainingConfig.from_json(json.loads(path.read_bytes()))
    except (ValueError, TypeError) as error:
        raise RunError(f"{path}: not the configuration of a run: {error}") from error
    return Run(directory, config)


def require_new(directory: str | os.PathLike[str]) -> None:
    """Raise RunError if there is a run in `directory`, or something else that is not an empty directory."""
    directory = Path(directory)
    if is_run(directory):
        raise RunError(
            f"{directory}: there is a run already; resume it (minirmae train --resume {directory}), "
            "or choose another directory"
        )
    if directory.exists():
        with explained(f"cannot write a run into {directory}"):
            others = sorted(set(directory.iterdir()) - set(_leftovers(directory)))
        if others:
            raise RunError(f"{directory}: not empty, and not a run (it has {others[0].name}); choose another directory")


def create_run(directory: str | os.PathLike[str], config: TrainingConfig) -> Run:
    """Make `directory` a run of `config` and return it; nothing is left behind if that fails.

    Raises:
        RunError: as `require_new`.
        OSError: the directory cannot be written; the message names it.
    """
    run = Run(Path(directory), config)
    require_new(directory)
    existed = run.directory.exists()
    with explained(f"cannot write a run into {directory}"):
        try:
            run.directory.mkdir(parents=True, exist_ok=True)
            run.write_config()
        except OSError:
            if not existed and run.directory.exists():
                run.directory.rmdir()
            raise
    return run


def is_run(directory: str | os.PathLike[str]) -> bool:
    """Whether `directory` says that it holds a run."""
    return (Path(directory) / _CONFIG).is_file()


def remove_leftovers(directory: Path) -> None:
    """Remove the temporary files of writes that were killed; only for the one process that writes there."""
    for path in _leftovers(directory):
        path.unlink(missing_ok=True)


@contextmanager
def explained(what: str, advice: str = "") -> Iterator[None]:
    """Put `what` before the reason of an OSError and `advice` after it."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, f"{what}: {error.strerror or error}{advice and '; '}{advice}") from error


def _leftovers(directory: Path) -> list[Path]:
    """Temporary files of `atomic_write` in `directory`."""
    return [path for name in (_CONFIG, _HISTORY, _CHECKPOINT) for path in directory.glob(f".{name}.*.tmp")]
