"""Every CUDA module is compiled for the GPUs that are meant, as it is at run time, by NVIDIA's own compiler."""

import ctypes
import functools
import re
from importlib import metadata

import pytest

from minirmae.engines.cuda import sources

ARCHITECTURES = ("sm_80", "sm_90")


@functools.cache
def nvrtc():
    """The compiler's library, out of its wheel; None if there is none. It needs no driver."""
    for package in ("nvidia-cuda-nvrtc-cu12", "nvidia-cuda-nvrtc"):
        try:
            files = metadata.files(package) or []
        except metadata.PackageNotFoundError:
            continue
        for file in files:
            if file.name.startswith("libnvrtc.so"):
                return ctypes.CDLL(str(file.locate()))
    return None


def compiled(source, options):
    """Compile; return the log and the size of the machine code. The log holds what the assembler says."""
    library, program = nvrtc(), ctypes.c_void_p()
    assert library.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"module.cu", 0, None, None) == 0
    words = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    failed = library.nvrtcCompileProgram(program, len(options), words)
    size = ctypes.c_size_t()
    library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    library.nvrtcGetProgramLog(program, log)
    code = ctypes.c_size_t()
    library.nvrtcGetCUBINSize(program, ctypes.byref(code))
    library.nvrtcDestroyProgram(ctypes.byref(program))
    assert failed == 0, log.value.decode()
    return log.value.decode(), code.value


@pytest.mark.skipif(nvrtc() is None, reason="no NVRTC: pip install nvidia-cuda-nvrtc-cu12 (extra cuda-test)")
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("module", sources.all_modules(), ids=str)
def test_compiles_without_a_warning_and_in_registers(module, architecture):
    # CuPy adds the architecture and -ftz=true; the assembler is asked to report.
    options = (*module.options(), f"-arch={architecture}", "-ftz=true", "--ptxas-options=-v")
    log, size = compiled(module.source(), options)
    assert size > 0
    assert "warning" not in log
    # The assembler's rounding of registers to a limit may cost a word or two; an array in local memory would be more.
    spills = [int(number) for number in re.findall(r"([0-9]+) bytes spill", log)]
    assert len(spills) >= 2 * len(module.kernels())
    assert max(spills) <= 64
    if module.tile is not None:
        assert log.count(f"{module.tile.shared_bytes} bytes smem") == len(module.kernels())


@pytest.mark.skipif(nvrtc() is None, reason="no NVRTC: pip install nvidia-cuda-nvrtc-cu12 (extra cuda-test)")
def test_a_mistake_does_not_compile():
    with pytest.raises(AssertionError, match="undefined"):
        compiled('extern "C" __global__ void f(float* x) { x[0] = undefined; }', ("-arch=sm_80",))


def test_every_kernel_is_in_its_module():
    for module in sources.all_modules():
        for kernel in module.kernels():
            assert f" {kernel}(" in module.source()
            assert sources.module_of(kernel, module.precision, module.tile) == module
    assert {k for m in sources.all_modules() for k in m.kernels()} == set(sources.KERNELS)


def test_no_float_atomics():
    """What is added up has an order: the only atomic counts blocks."""
    for module in sources.all_modules():
        assert module.source().count("atomic") == 1
        assert "atomicAdd(ticket, 1u)" in module.source()


def test_shared_memory_needs_no_special_permission():
    for tile in sources.TILES:
        assert tile.shared_bytes <= 48 << 10
        assert tile.threads <= 1024


def test_unknown_names():
    with pytest.raises(ValueError, match=r"cuda: kernel must be one of .*; got 'sgemm'"):
        sources.module_of("sgemm", "tf32", None)
    with pytest.raises(ValueError, match=r"cuda: precision must be one of tf32, float32; got 'bf16'"):
        sources.module_of("chain", "bf16", None)
