"""Keeping freed memory: what the C library is asked, and that pages are no longer cleared anew."""

import resource
import subprocess
import sys
from types import SimpleNamespace

import pytest

from minirmae.engines.cpu import heap

FAULTS = """
import resource
import numpy as np
from minirmae.engines.cpu import heap

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        arrays = [np.ones(1 << 18, np.float32) for _ in range(20)]
        del arrays
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

with heap.kept():
    faults()
    print(faults())
"""


def test_the_library_is_asked_and_asked_back(monkeypatch):
    asked = []
    library = SimpleNamespace(mallopt=lambda *a: asked.append(a), malloc_trim=lambda n: asked.append(("trim", n)))
    monkeypatch.setattr(heap, "_glibc", lambda: library)

    def fail():
        with heap.kept():
            assert asked == [(-3, 1 << 25), (-1, (1 << 31) - 1)]
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert asked[2:] == [(-1, 1 << 26), ("trim", 0)]


def test_without_the_library_nothing_happens(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    heap._glibc.cache_clear()
    try:
        with heap.kept():
            assert heap._glibc() is None
    finally:
        heap._glibc.cache_clear()


@pytest.mark.skipif(heap._glibc() is None, reason="no GNU C library")
def test_memory_that_comes_and_goes_is_not_cleared_anew():
    """Fifty times 20 MB are a quarter of a million pages if each time is the first."""
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    pages = 50 * 20 * (1 << 20) // resource.getpagesize()
    assert int(done.stdout) < pages / 100
