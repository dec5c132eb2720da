"""What is said about BLAS."""

import os
import subprocess
import sys

import pytest

from minirmae.engines.cpu import blas


def test_description_is_complete():
    description = blas.description()
    assert set(description) == {"name", "version", "threads"}
    assert description["threads"] is None or description["threads"] >= 1


@pytest.mark.skipif(blas.threads() is None, reason="NumPy has no OpenBLAS of its own")
def test_threads_follow_the_environment():
    done = subprocess.run(
        [sys.executable, "-c", "from minirmae.engines.cpu import blas; print(blas.threads())"],
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "1"
