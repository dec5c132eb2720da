"""Which BLAS multiplies the matrices, and with how many threads.

NumPy says which library it was built with but not how many threads that uses
now. Its own wheels bring OpenBLAS along, which answers when asked directly.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np


def description() -> dict[str, Any]:
    """Return name, version and threads of NumPy's BLAS; threads is None where the library cannot be asked."""
    config: Any = np.show_config(mode="dicts")
    blas = config.get("Build Dependencies", {}).get("blas", {})
    return {
        "name": blas.get("name", "unknown"),
        "version": blas.get("version", "unknown"),
        "threads": threads(),
    }


def threads() -> int | None:
    """Number of threads OpenBLAS uses, or None if NumPy has no OpenBLAS of its own."""
    get = _function("get_num_threads")
    return None if get is None else int(get())


def set_threads(count: int) -> None:
    """Let OpenBLAS use `count` threads from now on, for every caller in this process; nothing if it cannot be asked."""
    change = _function("set_num_threads")
    if change is not None:
        change(count)


@contextmanager
def one_thread() -> Iterator[None]:
    """One BLAS thread inside, as many as before outside; BLAS is left alone where it cannot be asked."""
    before = threads()
    set_threads(1)
    try:
        yield
    finally:
        set_threads(before or 1)


@cache
def _function(name: str) -> Any:
    """OpenBLAS's function of that name, which NumPy's builds decorate in one of several ways."""
    library = _openblas()
    for decorated in (f"scipy_openblas_{name}64_", f"scipy_openblas_{name}", f"openblas_{name}"):
        if library is not None and hasattr(library, decorated):
            return getattr(library, decorated)
    return None


@cache
def _openblas() -> ctypes.CDLL | None:
    """The OpenBLAS in NumPy's wheel, which `import numpy` has already loaded."""
    package = Path(np.__file__).parent
    for folder in (package.parent / "numpy.libs", package / ".dylibs"):
        for path in sorted(folder.glob("*openblas*")):
            return ctypes.CDLL(str(path))
    return None
