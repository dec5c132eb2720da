"""The example of a map runs as a user would start it, on a tiny run."""

import subprocess
import sys
from pathlib import Path

import pytest

from minirmae.models.autoencoder import ModelConfig
from minirmae.runs import TrainingConfig, train

EXAMPLE = Path(__file__).parents[2] / "examples" / "tsne_codes.py"


def test_tsne_codes(tmp_path):
    pytest.importorskip("matplotlib")
    model = ModelConfig.paper("shapes", 4, 0)
    train(TrainingConfig(model, steps=2, training_images=20, batch_size=2, evaluation_images=10), tmp_path / "run")
    command = [sys.executable, str(EXAMPLE), str(tmp_path / "run"), str(tmp_path / "map.png"), "130"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "step 1000: divergence" in done.stderr
    assert "trustworthiness 0." in done.stdout
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
