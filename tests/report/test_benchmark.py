"""What the benchmark counts; how fast anything is, is no test's business."""

import itertools
import json
from types import SimpleNamespace

import numpy as np
import pytest

from minirmae.commands import main
from minirmae.models.autoencoder import PRESETS, ModelConfig, build
from minirmae.report.benchmark import forward_operations, measure, peak_memory


def test_operations_of_the_mnist_model():
    """By hand: 4 x 4 kernels of stride 2 meet 4 n - 2 pixels along an axis of n outputs."""
    model = build(ModelConfig.paper("mnist"), np.random.default_rng(0))
    met = {n: (4 * n - 2) ** 2 for n in (2, 4, 8, 16)}
    encoder = met[16] * 32 + met[8] * 32 * 64 + met[4] * 64 * 128 + met[2] * 128 * 256 + 1024 * 128
    decoder = 8 * 128**2 + 128 * 8192 + met[8] * 128 * 64 + met[16] * 64 * 32 + 1024 * 32
    assert forward_operations(model, PRESETS["mnist"].image) == 2 * (encoder + decoder)


def test_measure_clocks_every_part(monkeypatch):
    """A clock that moves on by one whenever it is read: a step and each part of one take a second."""
    ticks = itertools.count()
    monkeypatch.setattr("minirmae.report.benchmark.time", SimpleNamespace(perf_counter=lambda: float(next(ticks))))
    timing = measure(ModelConfig("shapes", 4, 1), batch=2, workers=1, repeats=2)
    assert {"data", "loss", "zero gradients", "optimizer", "decoder.9 ConvTranspose2d forward"} <= set(timing.parts)
    ways = [{name[: -len(way)] for name in timing.parts if name.endswith(way)} for way in ("forward", "backward")]
    assert ways[0] == ways[1]
    assert len(timing.parts) == 4 + 2 * len(ways[0])
    assert set(timing.parts.values()) == {1.0}
    assert timing.seconds == 1
    assert timing.images_per_second == 2
    assert timing.peak == pytest.approx(timing.gflops / (2 * 2048**3 / 1e9))
    assert json.dumps(timing.to_json())


def test_the_command(capsys):
    arguments = ["bench", "--preset", "shapes", "--batch-size", "2", "--workers", "1", "--repeats", "2"]
    assert main([*arguments, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [t["batch"] for t in result["timings"]] == [2]
    assert result["peak_memory_bytes"] == pytest.approx(peak_memory(), rel=0.2)
    assert main(arguments) == 0
    assert "where the time of one worker goes (batch 2, 1 workers)" in capsys.readouterr().out
    assert main(["bench", "--batch-size", "0"]) == 2
    assert "must be an integer of at least 1, got 0" in capsys.readouterr().err
