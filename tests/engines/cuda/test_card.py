"""The layer that talks to CuPy, with a CuPy that computes on the CPU."""

from contextlib import nullcontext

import cuda_emulator
import numpy as np
import pytest
from cuda_fake_cupy import FakeCupy
from cuda_models import IMAGES, autoencoder

from minirmae import arrays, devices
from minirmae.engines.cuda import card as card_module
from minirmae.engines.cuda.card import CudaDevice
from minirmae.engines.cuda.step import CapturedTraining
from minirmae.optimizers import Adam

pytestmark = pytest.mark.skipif(cuda_emulator.COMPILER is None, reason="no C++ compiler (g++ or clang++)")


@pytest.fixture
def gpu(monkeypatch):
    """Make CuPy and a GPU appear; returns a function that sets them up."""

    def make(**options):
        cupy = FakeCupy(**options)
        monkeypatch.setitem(__import__("sys").modules, "cupy", cupy)
        monkeypatch.setattr(devices, "using", lambda name: nullcontext("cuda:0"))
        monkeypatch.setattr(card_module, "function", lambda kernel, precision, tile, number: cupy.kernel(kernel, tile))
        return cupy

    return make


def trained(device, steps=4):
    model, optimizer = autoencoder(), Adam(1e-2)
    training = CapturedTraining([model], [optimizer], IMAGES, batch_size=8, seeds=[3], device=device)
    losses = training.run(steps)
    training.store()
    return losses, model.values


def test_captured_and_uncaptured_give_the_bits_of_the_plan(gpu):
    expected = trained(cuda_emulator.EmulatedDevice())
    cupy = gpu()
    for capture in (True, False):
        losses, values = trained(CudaDevice(precision="float32", capture=capture))
        np.testing.assert_array_equal(losses, expected[0])
        np.testing.assert_array_equal(values, expected[1])
    assert [entry for entry in cupy.log if entry[0] == "graph"][:4] == [("graph", 25)] * 4


def test_a_step_is_one_graph_and_allocates_nothing(gpu):
    cupy = gpu()
    training = CapturedTraining(
        [autoencoder()], [Adam(1e-2)], IMAGES, batch_size=8, seeds=[3], device=CudaDevice(precision="float32")
    )
    del cupy.log[:]
    training.run(6)
    assert {entry[0] for entry in cupy.log} == {"graph"}
    assert len(cupy.log) == 6


def test_the_side_lane_is_forked_and_joined(gpu):
    cupy = gpu()
    trained(CudaDevice(precision="float32"), 1)
    log = [entry for entry in cupy.log if entry[0] in ("launch", "wait")]
    log = log[: log.index(("launch", "adam", 0)) + 1]
    side = [i for i, entry in enumerate(log) if entry[0] == "launch" and entry[2] == 1]
    assert side
    for i in side:
        # The last thing that the main lane did before is waited for.
        main = max((j for j in range(i) if log[j][0] == "launch" and log[j][2] == 0), default=-1)
        assert ("wait", 1, 0) in log[main:i]
    assert log[-2] == ("wait", 0, 1), "Adam waits for the side lane"


def test_a_driver_that_does_not_capture_gets_one_warning(gpu):
    expected = trained(cuda_emulator.EmulatedDevice(), 2)[0]
    gpu(captures=False)
    with pytest.warns(RuntimeWarning, match="cannot be captured in a CUDA graph") as caught:
        losses, _ = trained(CudaDevice(precision="float32"), 2)
    assert len(caught) == 1
    np.testing.assert_array_equal(losses, expected)


def test_too_little_memory_is_a_clear_error_and_frees_what_it_took(gpu):
    cupy = gpu(memory=1000)
    with pytest.raises(arrays.DeviceError, match=r"needs 0\.00 GiB, but 0\.00 of 4\.00 GiB are free; use a smaller"):
        trained(CudaDevice(precision="float32"))
    assert ("free",) in cupy.log
    cupy.memory = 1 << 30
    trained(CudaDevice(precision="float32"), 1)
