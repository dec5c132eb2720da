"""The CUDA kernels on a CPU: their sources compiled by a C++ compiler against a shim, launched through ctypes.

A block's threads are fibers, the tensor-core instruction is computed by the
warp together, shared memory is full of NaN when a block begins. So indices,
barriers, reductions and rounding are those that a GPU would see; timing,
memory ordering and the GPU's own tanh and exp are not.
"""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from minirmae.engines.cuda import sources

COMPILER = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
_HERE = Path(__file__).parent
_LETTER = {"uint64": "P", "int32": "i", "int64": "q", "float32": "f", "float64": "d"}


@functools.cache
def library(module):
    """Compile `module` and load it."""
    kernels = ", ".join(
        f'{{"{k}", emulator::signature({k}), [](void** p) {{ emulator::call({k}, p); }}}}' for k in module.kernels()
    )
    # The PTX file is the one that the shim stands in for.
    ptx = sources.read("ptx")
    source = "\n".join(
        (
            '#include "shim.h"',
            module.source().replace(ptx, ""),
            f"static const emulator::Kernel kernels[] = {{{kernels}}};",
            '#include "launch.h"',
        )
    )
    defines = [option for option in module.options() if option.startswith("-D")]
    with tempfile.TemporaryDirectory() as directory:
        file, result = Path(directory, "kernels.cpp"), Path(directory, "kernels.so")
        file.write_text(source, encoding="utf-8")
        flags = ["-std=c++17", "-O1", "-fPIC", "-shared", "-ffp-contract=off", "-U_FORTIFY_SOURCE", "-w"]
        command = [COMPILER, *flags, *defines, f"-I{_HERE}", str(file), "-o", str(result)]
        subprocess.run(command, check=True)
        loaded = ctypes.CDLL(str(result))
    loaded.emulated_signature.restype = ctypes.c_char_p
    loaded.emulated_launch.restype = ctypes.c_char_p
    return loaded


def launch(bound, precision, reverse=False):
    """Run one launch whose arguments are addresses of this process's memory."""
    plan = bound.launch
    loaded = library(sources.module_of(plan.kernel, precision, plan.tile))
    name = plan.kernel.encode()
    letters = "".join(_LETTER[str(argument.dtype)] for argument in bound.arguments)
    expected = loaded.emulated_signature(name).decode()
    assert letters == expected, f"{plan.kernel} takes {expected}, got {letters}"
    held = [np.array([argument]) for argument in bound.arguments]
    pointers = (ctypes.c_void_p * len(held))(*(array.ctypes.data for array in held))
    failure = loaded.emulated_launch(name, *plan.grid, plan.block, pointers, int(reverse))
    assert failure is None, f"{plan.kernel}: {failure.decode()}"


class EmulatedDevice:
    """A device whose memory is this process's; counts allocations, and copies by direction."""

    def __init__(self, precision="float32", reverse=False):
        self.precision, self.reverse = precision, reverse
        self.allocations, self.uploads, self.downloads, self.launches = 0, 0, 0, 0
        self._kept = []

    def allocate(self, size):
        """Zeroed memory; returns its address, a multiple of 256."""
        self.allocations += 1
        array = np.zeros(size + 256, dtype=np.uint8)
        self._kept.append(array)
        return -(-array.ctypes.data // 256) * 256

    def upload(self, address, array):
        """Copy a host array to an address."""
        self.uploads += 1
        array = np.ascontiguousarray(array)
        ctypes.memmove(int(address), array.ctypes.data, array.nbytes)

    def download(self, address, array):
        """Copy from an address into a contiguous host array."""
        self.downloads += 1
        assert array.flags.c_contiguous
        ctypes.memmove(array.ctypes.data, int(address), array.nbytes)

    def record(self, launches):
        """Return a function that runs the launches in order."""

        def replay():
            for bound in launches:
                launch(bound, self.precision, self.reverse)
                self.launches += 1

        return replay

    def synchronize(self):
        """Nothing is ever under way."""
