"""What a command returns: the same result for a machine and for a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """Result of a command.

    Attributes:
        result: what `--json` prints.
        text: what is printed otherwise.
        status: exit status; 1 if a check failed.
    """

    result: dict[str, Any]
    text: str
    status: int = 0
