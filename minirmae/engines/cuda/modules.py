"""Compiled modules, each made once per process and kept.

CuPy also keeps the machine code on disk, by source, options and architecture.
"""

from __future__ import annotations

import functools
from typing import Any

from minirmae.engines.cuda.sources import Module, Tile, module_of


@functools.cache
def compiled(module: Module) -> Any:
    """Return the CuPy RawModule of `module`; it compiles when a kernel is first taken from it."""
    import cupy

    return cupy.RawModule(code=module.source(), options=module.options(), backend="nvrtc")


@functools.cache
def function(kernel: str, precision: str, tile: Tile | None, device: int) -> Any:
    """Return the function `kernel` on GPU number `device`, which must be the current one; compiles at first use.

    Raises ValueError for an unknown kernel or precision.
    """
    return compiled(module_of(kernel, precision, tile)).get_function(kernel)
