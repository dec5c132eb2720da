"""Shared memory, in large pages where the system gives them."""

import os

import numpy as np
import pytest

from minirmae.engines.cpu import pages
from minirmae.engines.cpu.pages import LARGE, shared_copy

SIZES = [1, 1000, LARGE // 4, LARGE // 4 + 1, 5 * LARGE // 8]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork processes")
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("files", ["allowed", "forbidden", "unknown"])
def test_what_another_process_writes_is_seen(size, files, monkeypatch):
    def forbidden(name):
        raise PermissionError(name)

    if files == "forbidden":
        monkeypatch.setattr(os, "memfd_create", forbidden, raising=False)
    if files == "unknown":
        monkeypatch.delattr(os, "memfd_create", raising=False)
    vector = np.arange(size, dtype=np.float32)
    copy = shared_copy(vector)
    np.testing.assert_array_equal(copy, vector)
    child = os.fork()
    if child == 0:
        copy[-1] = -7
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert copy[-1] == -7
    assert vector[-1] == size - 1


def test_a_system_that_has_no_large_pages_is_forgiven(monkeypatch):
    monkeypatch.setattr(pages, "_COLLAPSE", -1)
    np.testing.assert_array_equal(shared_copy(np.ones(LARGE, np.float32)), 1)


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="no files in memory")
def test_large_vectors_begin_at_a_large_page_and_hold_no_file_open():
    before = len(os.listdir("/proc/self/fd"))
    held = [shared_copy(np.ones(size, np.float32)) for size in (LARGE // 4, LARGE, 3 * LARGE + 5)]
    assert [copy.ctypes.data % LARGE for copy in held] == [0, 0, 0]
    # Python's mmap keeps a duplicate of the descriptor that it was given.
    assert len(os.listdir("/proc/self/fd")) <= before + len(held)


def test_nothing_is_copied_as_nothing():
    assert shared_copy(np.empty(0)).size == 0
