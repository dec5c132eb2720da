"""The device that runs kernels on the CPU, in both precisions."""

import cuda_emulator
import pytest

from minirmae.engines.cuda import sources


@pytest.fixture(params=sources.PRECISIONS, scope="module")
def device(request):
    return cuda_emulator.EmulatedDevice(request.param)
