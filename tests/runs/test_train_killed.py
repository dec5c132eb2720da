"""SIGKILL at twenty random moments: the run opens, resumes, and ends with the same bits."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the test forks")
def test_twenty_kills(tmp_path):
    # One BLAS thread, so that a fork leaves none behind.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    script = Path(__file__).parents[1] / "support" / "training_kill.py"
    command = [sys.executable, "-W", "error", str(script), str(tmp_path), "20", "0"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["kills"] == 20
    # They were spread over the run, not all at one place.
    assert len(set(seen["steps"])) >= 8
