"""The range of a setting: one sentence for every objective that has to refuse a number."""

from __future__ import annotations

import math


def require_range(objective: str, name: str, value: float, low: float, high: float = math.inf) -> None:
    """Raise ValueError unless `low <= value <= high`.

    >>> require_range("l1", "weight", -1.0, 0.0)
    Traceback (most recent call last):
    ...
    ValueError: objective l1: weight must be at least 0, got -1.0
    """
    if not low <= value <= high:
        expected = f"at least {low:g}" if high == math.inf else f"between {low:g} and {high:g}"
        raise ValueError(f"objective {objective}: {name} must be {expected}, got {value!r}")
