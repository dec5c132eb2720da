"""Work on several cores: BLAS's threads by default, or Python threads, each with a BLAS that uses one.

NumPy lets go of the interpreter's lock inside products and elementwise
functions, so threads that work on different images run side by side, copies
and additions too, which BLAS's threads leave to one core. While they run, BLAS
is set to one thread, so that the two levels do not fight for cores. Handing the
lock over costs as much as a small operation, so this pays for large batches and
on a machine whose other work makes BLAS's threads wait for each other, and not
otherwise: it is asked for with MINIRMAE_THREADS, and off without.

How work is split depends on `threads()` and on nothing that happens while it
runs, and results are combined in their order: the same number of threads gives
the same bits.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from minirmae import blas
from minirmae.backend import Array, array_module
from minirmae.validation import require_positive_int

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

VECTOR_BLOCK = 1 << 16
"""Entries of a vector worked on at a time."""
SMALL_PRODUCT = 1 << 22
"""Multiplications of a matrix product below which splitting it costs more than it saves."""

S = TypeVar("S")
T = TypeVar("T")


def threads() -> int:
    """Number of Python threads: what `set_threads` said, else the variable MINIRMAE_THREADS, else 1.

    Raises ValueError if the variable is not a positive integer, or is above 1 where BLAS cannot be controlled.
    """
    if _chosen is None:
        wish = os.environ.get("MINIRMAE_THREADS", "1")
        if not wish.isdigit() or int(wish) < 1:
            raise ValueError(f"MINIRMAE_THREADS must be a positive integer, came {wish!r}")
        set_threads(int(wish))
    assert _chosen is not None  # set_threads has set it
    return _chosen


def set_threads(count: int) -> None:
    """Use `count` threads from now on.

    Raises ValueError if it is not an integer of at least 1, or above 1 where BLAS cannot be controlled.
    """
    global _chosen
    require_positive_int("set_threads", count=count)
    if count > 1 and blas.threads() is None:
        raise ValueError(
            "set_threads: NumPy came without its own OpenBLAS, whose threads would fight with these; use 1"
        )
    _chosen = count
    _pool.cache_clear()


def split(items: Sequence[T]) -> list[Sequence[T]]:
    """Cut `items` into at most `threads()` neighbouring parts of nearly equal length, none empty."""
    parts = min(threads(), len(items))
    ends = [len(items) * i // parts for i in range(parts + 1)] if parts else []
    return [items[a:b] for a, b in itertools.pairwise(ends)]


def each(function: Callable[[S], T], parts: Sequence[S]) -> list[T]:
    """Return `[function(part) for part in parts]`, computed side by side.

    Calls from within a part run one after the other, so nothing waits for itself.
    """
    if len(parts) <= 1 or getattr(_here, "working", False):
        return [function(part) for part in parts]
    with single_threaded_blas():
        futures = [_pool().submit(_work, function, part) for part in parts[1:]]
        first = _work(function, parts[0])
        return [first, *(future.result() for future in futures)]


def over(length: int, function: Callable[[slice], None]) -> None:
    """Call `function` on slices of range(length), each small enough for a core's cache, over all threads."""
    blocks = [slice(start, start + VECTOR_BLOCK) for start in range(0, length, VECTOR_BLOCK)]

    def work(part: Sequence[slice]) -> None:
        for block in part:
            function(block)

    each(work, split(blocks))


def matmul(a: Array, b: Array) -> Array:
    """Matrix product `a @ b` (M, K) x (K, N), its rows or columns, whichever are more, split over the threads.

    The length of the sums is not split, so the bits are nearly always those of `a @ b`; small products are not split.
    """
    (M, K), N = a.shape, b.shape[1]
    if M * K * N < SMALL_PRODUCT or array_module(a) is not np:
        return a @ b
    product = np.empty((M, N), dtype=a.dtype)

    def rows(part: Sequence[int]) -> None:
        np.matmul(a[part[0] : part[-1] + 1], b, out=product[part[0] : part[-1] + 1])

    def columns(part: Sequence[int]) -> None:
        product[:, part[0] : part[-1] + 1] = a @ b[:, part[0] : part[-1] + 1]

    each(rows if M >= N else columns, split(range(max(M, N))))
    return product


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """One BLAS thread for as long as any caller is inside; then as many as there were.

    Worth it around many small products, on which BLAS's own threads mostly wait
    for each other. Where this module uses one thread, BLAS is left alone.
    """
    global _callers, _blas_threads
    with _lock:
        if _callers == 0:
            _blas_threads = blas.threads() or 1
            if threads() > 1:
                blas.set_threads(1)
        _callers += 1
    try:
        yield
    finally:
        with _lock:
            _callers -= 1
            if _callers == 0:
                blas.set_threads(_blas_threads)


_chosen: int | None = None
_here = threading.local()
_lock = threading.Lock()
_callers, _blas_threads = 0, 1


def _work(function: Callable[[S], T], part: S) -> T:
    """Call the function, and remember that this thread is inside a part."""
    _here.working = True
    try:
        return function(part)
    finally:
        _here.working = False


@cache
def _pool() -> ThreadPoolExecutor:
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(threads(), thread_name_prefix="minirmae")


# A forked child inherits the pool's object but not its threads.
os.register_at_fork(after_in_child=_pool.cache_clear)
