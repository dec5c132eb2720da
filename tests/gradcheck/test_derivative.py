"""Rungs 2 and 3 together: which method is chosen, what it concludes, which entry it names."""

import math

import numpy as np
import pytest

from minirmae.gradcheck import check
from minirmae.gradcheck.derivative import Measurement, judge

RNG = np.random.default_rng(0)
X = RNG.standard_normal((3, 4))


def derivative_rows(function, *arrays, **options):
    return check(function, *arrays, rungs=("derivative",), **options).rows


def scaled(value, slope):
    """An op from a function of an entry and its derivative."""
    return lambda x: (value(x), lambda dy: dy * slope(x))


ABSOLUTE = scaled(np.abs, np.sign)
PARTLY_REAL = scaled(lambda x: x * x.real, lambda x: 2 * x)
NORM = scaled(lambda x: np.linalg.norm(x) * np.ones(1), lambda x: x / np.linalg.norm(x))


def test_a_complex_safe_function_takes_the_complex_step():
    (row,) = derivative_rows(scaled(np.sin, np.cos), X)
    assert (row.method, row.verdict, row.note) == ("complex step", "pass", "")
    assert row.error < 1e-15
    assert row.analytic == pytest.approx(row.numeric, rel=1e-14)


@pytest.mark.parametrize("f", [ABSOLUTE, NORM])
def test_a_function_that_is_not_complex_safe_takes_extrapolated_differences(f):
    (row,) = derivative_rows(f, X)
    assert (row.method, row.verdict) == ("Richardson", "pass")
    assert row.note.startswith("complex input gave a value of dtype float64")


def test_a_silently_lost_imaginary_part_is_noticed():
    (row,) = derivative_rows(PARTLY_REAL, X)
    assert (row.method, row.verdict) == ("Richardson", "pass")
    assert "not complex-safe" in row.note
    (row,) = derivative_rows(scaled(lambda x: x * x.real, lambda x: x.real), X)  # what the complex step would believe
    assert (row.method, row.verdict) == ("Richardson", "fail")


@pytest.mark.parametrize("f", [scaled(np.abs, lambda x: 0 * x), scaled(np.abs, lambda x: 0 * x + 1)])
def test_at_a_kink_nothing_is_concluded(f):
    (row,) = derivative_rows(f, np.zeros(3))
    assert row.verdict == "inconclusive"
    assert "only known to within" in row.note


def test_a_rectifier_exactly_at_its_kink_is_inconclusive_too():
    (row,) = derivative_rows(scaled(lambda x: x * (x.real > 0), lambda x: x.real > 0), np.array([0.0, 1.0]))
    assert row.verdict == "inconclusive"
    assert "kink exactly here" in row.note


@pytest.mark.parametrize("factor", [0.0, -1.0, 2.0, 1 + 1e-6])
def test_no_wrong_gradient_of_a_function_that_is_not_complex_safe_passes(factor):
    (row,) = derivative_rows(scaled(np.abs, lambda x: factor * np.sign(x)), X)
    assert row.verdict == "fail"


@pytest.mark.parametrize("size", [5, 64, 65, 3000])
def test_the_one_wrong_entry_is_named(size):
    x = RNG.standard_normal(size)
    for k in (0, size // 3, size - 1):

        def f(x, k=k):
            def backward(dy):
                dx = 2 * x * dy
                dx[k] *= 1 + 1e-6
                return dx

            return x * x, backward

        (row,) = derivative_rows(f, x)
        assert row.verdict == "fail"
        assert row.index == (k,)
        assert row.analytic / row.numeric == pytest.approx(1 + 1e-6, abs=1e-12)


def test_the_worst_of_several_wrong_entries_is_named_with_its_index_in_the_array():
    def f(x):
        def backward(dy):
            dx = np.ones_like(x) * dy
            dx[0, 1, 1] += 0.1
            dx[1, 2, 0] -= 0.3
            return dx

        return x.sum(), backward

    (row,) = derivative_rows(f, RNG.standard_normal((2, 3, 2)))
    assert row.index == (1, 2, 0)
    assert row.analytic - row.numeric == pytest.approx(-0.3)


def test_extrapolated_differences_name_the_entry_too():
    def f(x):
        return np.abs(x), lambda dy: dy * np.sign(x) * (np.arange(4) != 2)

    (row,) = derivative_rows(f, X[0])
    assert (row.method, row.verdict, row.index) == ("Richardson", "fail", (2,))


def product(x, W, b):
    return x @ W + b, lambda dy: (dy @ W.T, 2 * (x.T @ dy), dy.sum(axis=0))


def test_each_argument_has_its_row_and_only_the_wrong_one_fails():
    arrays = X, RNG.standard_normal((4, 2)), RNG.standard_normal(2)
    rows = derivative_rows(product, *arrays)
    assert [(row.argument, row.verdict) for row in rows] == [
        ("all", "fail"),
        ("x", "pass"),
        ("W", "fail"),
        ("b", "pass"),
    ]
    assert rows == derivative_rows(product, *arrays, per_argument=False)


def test_without_rows_per_argument_a_passing_function_has_one():
    def right(x, b):
        return x + b, lambda dy: (dy.copy(), dy.sum(axis=0))

    assert len(derivative_rows(right, X, X[0], per_argument=False)) == 1
    assert len(derivative_rows(right, X, X[0])) == 3


def test_a_small_gradient_beside_a_large_one_is_still_checked():
    def f(x, t):
        return 1e9 * x + 1e-9 * t, lambda dy: (1e9 * dy, 2e-9 * dy)

    rows = {row.argument: row.verdict for row in derivative_rows(f, X, X)}
    assert rows["x"] == "pass"
    assert rows["t"] == "fail"


@pytest.mark.parametrize(
    ("analytic", "measured", "verdict"),
    [
        (1.0, Measurement(1.0), "pass"),
        (1.0, Measurement(1.0 + 1e-3, error=0.0), "fail"),
        (1.0, Measurement(1.0, error=1e-3), "inconclusive"),
        (1.0, Measurement(1.0 + 1e-3, error=1e-3), "inconclusive"),
        (1.0, Measurement(1.5, error=1e-3), "fail"),
        (math.nan, Measurement(1.0), "fail"),
        (math.inf, Measurement(1.0), "fail"),
        (1.0, Measurement(math.nan), "inconclusive"),
        (1.0, Measurement(1.0, error=math.inf), "inconclusive"),
    ],
)
def test_the_error_bar_counts_against_a_pass_and_against_a_failure(analytic, measured, verdict):
    assert judge(analytic, measured, 1.0, 1e-6)[1] == verdict
