"""The scripts that need a GPU, where there is none."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from card import REASON

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name, *arguments):
    """Status and all that an example says, which shows if a test fails."""
    done = subprocess.run([sys.executable, str(EXAMPLES / name), *arguments], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.skipif(REASON is None, reason="there is a GPU")
def test_without_a_gpu_the_report_says_so(tmp_path):
    status, said = run("gpu_report.py", "--out", str(tmp_path / "report"))
    assert status == 0, said
    assert "nothing measured" in said
    assert json.loads((tmp_path / "report.json").read_text()) == {"not_measured": REASON}
    assert "| conv_forward |" in (tmp_path / "report.md").read_text()


@pytest.mark.skipif(REASON is None, reason="there is a GPU")
def test_without_a_gpu_the_comparison_says_so():
    status, said = run("benchmark_vs_torch_gpu.py")
    assert status == 1, said
    assert REASON in said
