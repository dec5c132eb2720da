"""The kernels at the two ends of a step against the float64 ops, computed from their own source on the CPU."""

import cuda_emulator
import cuda_parity_ends as parity_ends
import pytest

pytestmark = pytest.mark.skipif(cuda_emulator.COMPILER is None, reason="no C++ compiler (g++ or clang++)")


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_gather(device, dtype):
    parity_ends.check_gather(device, dtype)


@pytest.mark.parametrize("kind", ["mean_squared_error", "binary_cross_entropy"])
@pytest.mark.parametrize("entries", [1, 300, 10001])
def test_loss(device, kind, entries):
    parity_ends.check_loss(device, kind, entries)
    parity_ends.check_loss(device, kind, entries, activation="tanh")


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_adam(device, weight_decay):
    parity_ends.check_adam(device, 5000, weight_decay)
    parity_ends.check_adam(device, 1, weight_decay)
