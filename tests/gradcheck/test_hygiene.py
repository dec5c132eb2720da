"""Rung 6: each property fails for the op that lacks it, and for no other reason."""

import numpy as np
import pytest

from minirmae.gradcheck import check

X = np.random.default_rng(0).standard_normal((3, 4))


def failing(function, *arrays, **options):
    report = check(function, *(arrays or (X,)), rungs=("hygiene",), **options)
    return {(row.method, row.argument) for row in report.failures}


def good(x):
    return x * x, lambda dy: 2 * x * dy


def test_a_clean_op_passes_every_row():
    report = check(good, X, rungs=("hygiene",)).require()
    assert [row.method for row in report.rows] == [
        "contract",
        "dtype kept",
        "inputs untouched",
        "dy untouched",
        "repeatable",
        "re-entrant",
        "no aliases",
        "memory layout",
    ]


@pytest.mark.parametrize(
    ("backward", "argument", "note"),
    [
        (lambda dy: (dy, dy), "all", "2 gradients for 1 arguments"),
        (lambda dy: [dy], "x", "a list, expected an array"),
        (lambda dy: dy.sum(axis=0), "x", r"shape \(4,\), expected \(3, 4\)"),
        (lambda dy: dy.astype(np.float32), "x", "dtype float32, expected float64"),
        (lambda dy: dy * np.nan, "x", "not finite"),
    ],
)
def test_a_broken_contract_is_the_only_row(backward, argument, note):
    report = check(lambda x: (x + 0, backward), X)
    (row,) = report.rows
    assert (row.method, row.argument, row.verdict) == ("contract", argument, "fail")
    with pytest.raises(AssertionError, match=note):
        report.require()


@pytest.mark.parametrize(
    ("f", "note"),
    [
        (lambda x: (np.full(3, np.inf), lambda dy: x), "value is not finite"),
        (lambda x: ((x > 0), lambda dy: x), "dtype bool"),
    ],
)
def test_a_value_that_is_none_breaks_the_contract(f, note):
    (row,) = check(f, X).rows
    assert row.argument == "y"
    assert note in row.note


def test_changed_dtypes_are_found():
    assert failing(lambda x: (x * x, lambda dy: (2 * x * dy).astype(np.float64))) == {("dtype kept", "x")}
    assert failing(lambda x: (x * np.ones(4), lambda dy: dy * np.ones(4))) == {("dtype kept", "y")}


def test_a_written_input_is_found():
    def f(x):
        y = x * x
        kept = x.copy()
        x *= 0
        return y, lambda dy: 2 * kept * dy

    assert failing(f) == {("inputs untouched", "all")}


def test_an_input_written_by_the_backward_is_found():
    def f(x):
        def backward(dy):
            dx = 2 * x * dy
            x[0] += 1
            return dx

        return x * x, backward

    assert ("inputs untouched", "all") in failing(f)


def test_a_written_dy_is_found():
    def f(x):
        def backward(dy):
            dy *= 2 * x
            return dy.copy()

        return x * x, backward

    assert failing(f) == {("dy untouched", "all")}


def test_a_backward_with_a_memory_of_its_calls_is_found():
    def f(x):
        total = np.zeros_like(x)

        def backward(dy):
            total[...] += 2 * x * dy
            return total.copy()

        return x * x, backward

    assert failing(f) == {("repeatable", "x")}


def test_a_buffer_used_twice_is_found():
    def f(x):
        buffer = np.zeros_like(x)

        def backward(dy):
            buffer[...] = 2 * x * dy
            return buffer

        return x * x, backward

    assert failing(f) == {("repeatable", "x")}


def test_randomness_that_is_no_argument_is_found():
    rng = np.random.default_rng(0)

    def f(x):
        keep = rng.random(x.shape) > 0.5
        return x * keep, lambda dy: dy * keep

    assert ("repeatable", "y") in failing(f)


def test_state_of_the_latest_forward_is_found():
    class Layer:
        def __call__(self, x):
            self.x = x
            return x * x, lambda dy: 2 * self.x * dy

    assert failing(Layer()) == {("re-entrant", "x")}


def test_a_value_in_a_shared_buffer_is_found():
    buffers = {}

    def f(x):
        y = buffers.setdefault(x.dtype, np.zeros(X.shape, x.dtype))
        y[...] = x * x
        return y, lambda dy: 2 * x * dy

    assert ("re-entrant", "y") in failing(f)


@pytest.mark.parametrize(
    ("f", "argument"),
    [
        (lambda x: (x + 1, lambda dy: dy), "x"),
        (lambda x: (x + 1, lambda dy: dy[...]), "x"),
        (lambda x: (x[...], lambda dy: dy.copy()), "y"),
        (lambda x: (np.exp(x), lambda dy: x), "x"),
    ],
)
def test_shared_memory_is_found(f, argument):
    assert ("no aliases", argument) in failing(f)


def test_gradients_that_share_memory_with_each_other_are_found():
    def f(x, z):
        def backward(dy):
            shared = dy.copy()
            return shared, shared

        return x + z, backward

    assert failing(f, X, X + 1) == {("no aliases", "x")}


def test_a_declared_view_is_allowed_and_its_gradient_is_not():
    def f(x):
        return x.reshape(-1), lambda dy: dy.reshape(x.shape).copy()

    assert failing(f) == {("no aliases", "y")}
    assert failing(f, returns_view=True) == set()
    assert failing(lambda x: (x.reshape(-1), lambda dy: dy.reshape(x.shape)), returns_view=True) == {
        ("no aliases", "x")
    }


def test_an_op_that_assumes_contiguous_memory_is_found():
    def f(x):
        flat = np.lib.stride_tricks.as_strided(x, (x.size,), (x.itemsize,))
        return np.sin(flat), lambda dy: (dy * np.cos(flat)).reshape(x.shape)

    x = np.random.default_rng(0).standard_normal((2, 1))
    report = check(f, x, rungs=("hygiene",))
    assert [row.method for row in report.failures] == ["memory layout"]


def test_a_backward_that_assumes_a_contiguous_dy_is_found():
    def f(x):
        def backward(dy):
            if not dy.flags.c_contiguous:
                raise ValueError("contiguous arrays only")
            return 2 * dy

        return 2 * x, backward

    report = check(f, X, rungs=("hygiene",))
    assert [row.method for row in report.failures] == ["memory layout"]
    assert "contiguous arrays only" in report.worst.note


def test_single_numbers_and_empty_arrays_pass():
    check(good, np.array(1.5)).require()
    check(good, np.zeros((0, 3))).require()
    check(lambda x: (x.sum(), lambda dy: np.full_like(x, dy)), X).require()
