"""Freed memory that stays with the process while it trains.

A training step frees tens of megabytes and asks for as much again. The GNU C
library gives freed memory back to the system, which clears every page anew
when it is next touched: thousands of page faults a step. It can be told not to.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # names of options, in malloc.h
_LARGEST_MMAP_THRESHOLD = 1 << 25  # more is refused
_NEVER = (1 << 31) - 1


@contextmanager
def kept() -> Iterator[None]:
    """Within the block freed memory is kept for the next to ask, up to 32 MB an array; afterwards it is given back.

    Concerns the whole process, and those forked within. Without the GNU C library the block just runs.
    """
    library = _glibc()
    if library is None:
        yield
        return
    library.mallopt(_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
    library.mallopt(_TRIM_THRESHOLD, _NEVER)
    try:
        yield
    finally:
        # Where the library itself arrives when it has seen large arrays come and go.
        library.mallopt(_TRIM_THRESHOLD, 2 * _LARGEST_MMAP_THRESHOLD)
        library.malloc_trim(0)


@cache
def _glibc() -> Any:
    """The C library of this process if it is GNU's, else None."""
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None
