"""Memory that processes share, in large pages where the system gives them.

A processor remembers where a few thousand pages of memory lie and looks the
others up. A training step walks over tens of megabytes of parameters: ten
thousand pages of 4 kB, or twenty of 2 MB. Linux gives large pages on request,
if they lie at multiples of their size in memory and in the file behind it.
"""

from __future__ import annotations

import mmap
import os
from contextlib import suppress

import numpy as np

from minirmae.arrays import Array

LARGE = 1 << 21
"""Bytes of a large page."""

_COLLAPSE = 25  # MADV_COLLAPSE, since Linux 6.1; not in Python's mmap


def shared_copy(vector: Array) -> Array:
    """Return a copy of `vector` in memory that this process shares with those forked from it later."""
    if vector.size == 0:
        return vector.copy()
    memory, start = _shared(vector.nbytes)
    copy = np.frombuffer(memory, dtype=vector.dtype, count=vector.size, offset=start)
    copy[...] = vector
    with suppress(OSError, AttributeError):  # another system, or an older one: then the pages stay small
        memory.madvise(_COLLAPSE, start, _whole(vector.nbytes))
    return copy


def _shared(count: int) -> tuple[mmap.mmap, int]:
    """Shared memory, and where in it `count` bytes begin: at a large page, if the system has files in memory."""
    try:
        file = os.memfd_create("minirmae") if count >= LARGE else -1
    except (AttributeError, OSError):  # another system, or a container that forbids it
        file = -1
    if file < 0:
        return mmap.mmap(-1, count), 0
    size = _whole(count) + LARGE
    try:
        os.ftruncate(file, size + LARGE)
        # Where the system puts it once it will put it again, and then as far into a large page as into the file's.
        with mmap.mmap(file, size) as trial:
            offset = _address(trial) % LARGE
        memory = mmap.mmap(file, size, offset=offset)
    finally:
        os.close(file)
    return memory, -_address(memory) % LARGE


def _whole(count: int) -> int:
    """The bytes of the large pages that hold `count` bytes."""
    return -(-count // LARGE) * LARGE


def _address(memory: mmap.mmap) -> int:
    return int(np.frombuffer(memory, dtype=np.uint8).ctypes.data)
