"""The history of a run: one JSON object a line, in the order of the steps.

Lines are only ever added, so a reader may follow a run while it trains. A run
that was killed can leave half a line at the end, or lines later than its last
checkpoint; `rewind` takes both away before the run is resumed.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from minirmae.files import atomic_write

KINDS = ("train", "evaluation")

Record = dict[str, Any]


class HistoryError(ValueError):
    """A history file with a line that is not a record; the message says which."""


def append(path: str | os.PathLike[str], record: Record) -> None:
    """Add one record to the file at `path`.

    Raises ValueError if the record holds a number that is not finite, OSError if it cannot be written.
    """
    line = json.dumps(record, allow_nan=False) + "\n"
    with open(path, "ab") as file:
        file.write(line.encode("utf-8"))
        # A checkpoint that survives a power cut must find the lines before it.
        file.flush()
        os.fsync(file.fileno())


def read(path: str | os.PathLike[str]) -> list[Record]:
    """Return all records; half a line at the end, from a write that was cut off, is left out.

    Raises HistoryError for any other line that is not a record, OSError if the file cannot be read.
    """
    *lines, _ = Path(path).read_bytes().split(b"\n")
    return [_parse(f"{path}, line {number}", line) for number, line in enumerate(lines, start=1)]


def rewind(path: str | os.PathLike[str], step: int) -> None:
    """Take away the records later than `step`, and half a line at the end.

    Raises what `read` raises; the file is replaced as a whole.
    """
    kept = [record for record in read(path) if record["step"] <= step]
    with atomic_write(path) as file:
        file.writelines(json.dumps(record).encode("utf-8") + b"\n" for record in kept)


def _parse(where: str, line: bytes) -> Record:
    """The record on one line."""
    try:
        record = json.loads(line)
        valid = isinstance(record["step"], int) and record["kind"] in KINDS
    except (ValueError, KeyError, TypeError):
        valid = False
    if not valid:
        raise HistoryError(
            f"{where}: not a record of the history: expected a JSON object with kind ({' or '.join(KINDS)}) and step; "
            "remove or repair that line"
        )
    return dict(record)
