"""The examples run as a user would start them, on small data."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minirmae.data import write_idx

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name, *arguments):
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_own_op():
    right, wrong = run("own_op.py").split("\n\n")
    assert right.startswith("normalize: pass")
    assert wrong.startswith("forgetful: fail")


def test_theory_learning_curves():
    assert "largest difference 1" in run("theory_learning_curves.py")


def test_theory_greedy_staircase():
    smallest = run("theory_greedy_staircase.py").split("start 1e-12")[1]
    assert all(f"rank {rank}: steps" in smallest for rank in range(5))


def test_theory_completion():
    lines = run("theory_completion.py").splitlines()
    errors = {line[:24].strip(): float(line.split("error")[1].split()[0]) for line in lines}
    assert errors["3 layers"] < 0.05 < 0.15 < errors["smallest nuclear norm"]


def test_theory_irmae():
    assert run("theory_irmae.py").count("[0 1 2 3 4 5]") == 3


def test_train_mnist(tmp_path):
    rng = np.random.default_rng(0)
    for split in ("train", "t10k"):
        write_idx(tmp_path / f"{split}-images-idx3-ubyte", rng.integers(0, 256, (1000, 28, 28), dtype=np.uint8))
        write_idx(tmp_path / f"{split}-labels-idx1-ubyte", rng.integers(0, 10, 1000, dtype=np.uint8))
    output = run("train_mnist.py", tmp_path, 2)
    assert "2,172,129 trainable parameters" in output


def test_folder_spectrum(tmp_path):
    Image = pytest.importorskip("PIL.Image")
    pytest.importorskip("matplotlib")
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for i in range(40):
        Image.fromarray(rng.integers(0, 256, (40, 36, 3), dtype=np.uint8)).save(tmp_path / "images" / f"{i}.png")
    output = run("folder_spectrum.py", tmp_path / "images", tmp_path / "out", 2)
    assert "IRMAE (l = 4)" in output
    assert (tmp_path / "out" / "spectra.png").exists()
