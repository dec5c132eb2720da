"""Work split over threads: the same results, in order, whatever the number of threads."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from minirmae import blas, ops, parallel
from minirmae.optimizers import AdamW

pytestmark = pytest.mark.skipif(blas.threads() is None, reason="NumPy came without its own OpenBLAS")


@pytest.fixture(params=[1, 2, 3])
def count(request):
    before = parallel.threads()
    parallel.set_threads(request.param)
    yield request.param
    parallel.set_threads(before)


def test_split_is_a_partition(count):
    for length in range(8):
        parts = parallel.split(range(length))
        assert [i for part in parts for i in part] == list(range(length))
        assert len(parts) == min(count, length)


def test_each_keeps_the_order_and_uses_the_threads(count):
    everyone = threading.Barrier(count)  # breaks unless all parts run at the same time

    def work(part):
        everyone.wait(timeout=20)
        return part * 10

    assert parallel.each(work, list(range(count))) == [10 * i for i in range(count)]


def test_nested_work_does_not_wait_for_itself(count):
    assert parallel.each(lambda i: sum(parallel.each(lambda j: j, [i, i, i])), [1, 2, 3, 4]) == [3, 6, 9, 12]


def test_an_exception_comes_out(count):
    def fail(part):
        raise ValueError(f"part {part}")

    with pytest.raises(ValueError, match="part"):
        parallel.each(fail, [1, 2, 3])
    assert parallel.each(abs, [-1, -2]) == [1, 2]


def test_blas_has_one_thread_inside_and_what_it_had_outside():
    before, threads = blas.threads(), parallel.threads()
    parallel.set_threads(2)
    try:
        blas.set_threads(2)
        assert parallel.each(lambda part: blas.threads(), [0, 1]) == [1, 1]
        assert blas.threads() == 2
        with parallel.single_threaded_blas(), parallel.single_threaded_blas():
            assert blas.threads() == 1
        assert blas.threads() == 2
    finally:
        blas.set_threads(before)
        parallel.set_threads(threads)


@pytest.mark.parametrize("shape", [(300, 200, 100), (100, 200, 300), (3, 4, 5)])
def test_matmul(count, shape, monkeypatch):
    monkeypatch.setattr(parallel, "SMALL_PRODUCT", 1000)
    M, K, N = shape
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(M, K)), rng.normal(size=(N, K)).T
    np.testing.assert_allclose(parallel.matmul(a, b), a @ b, rtol=1e-12, atol=1e-12)


def test_over_covers_everything_once(count, monkeypatch):
    monkeypatch.setattr(parallel, "VECTOR_BLOCK", 7)
    seen = np.zeros(100)

    def add(part):
        seen[part] += 1

    parallel.over(100, add)
    assert (seen == 1).all()


def test_optimizers_do_not_depend_on_the_split(count, monkeypatch):
    rng = np.random.default_rng(0)
    start, grads = rng.normal(size=50), rng.normal(size=(3, 50))
    results = []
    for block in (1 << 15, 8):
        monkeypatch.setattr(parallel, "VECTOR_BLOCK", block)
        values, optimizer = start.copy(), AdamW(0.1)
        for g in grads:
            optimizer.step(values, g)
        results.append(values)
    np.testing.assert_array_equal(*results)


def test_convolutions_repeat_bit_for_bit(count):
    rng = np.random.default_rng(0)
    x, W = rng.normal(size=(37, 16, 16, 16)).astype("f4"), rng.normal(size=(4, 4, 16, 24)).astype("f4")
    runs = []
    for _ in range(3):
        y, backward = ops.conv2d(x, W, stride=2, padding=1)
        runs.append((y, *backward(y)))
    for other in runs[1:]:
        for a, b in zip(runs[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_bad_numbers_of_threads_are_named():
    with pytest.raises(ValueError, match="count must be an integer of at least 1, came 0"):
        parallel.set_threads(0)
    code = "from minirmae import parallel; parallel.threads()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "MINIRMAE_THREADS": "many"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "MINIRMAE_THREADS must be a positive integer, came 'many'" in done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_has_threads_of_its_own():
    before = parallel.threads()
    parallel.set_threads(2)
    try:
        parallel.each(abs, [1, 2])
        code = (
            "import os; from minirmae import parallel; parallel.set_threads(2); parallel.each(abs, [1, 2]);"
            "child = os.fork();"
            "ok = parallel.each(abs, [-1, -2]) == [1, 2];"
            "os._exit(0 if ok else 1) if child == 0 else print(os.waitpid(child, 0)[1])"
        )
        done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=60)
        assert done.stdout.strip() == "0"
    finally:
        parallel.set_threads(before)
