"""Rung 5: float32 against float64."""

import numpy as np

from minirmae.gradcheck import check, precision
from minirmae.gradcheck.precision import CONSTANT

X = np.random.default_rng(0).standard_normal((6, 50))
EPS32 = float(np.finfo(np.float32).eps)


def rows(function, *arrays, **options):
    return {row.argument: row for row in check(function, *arrays, rungs=("float32",), **options).rows}


def test_rounding_passes_and_the_bound_is_as_stated():
    found = rows(lambda x: (np.sin(x), lambda dy: dy * np.cos(x)), X)
    assert found.keys() == {"y", "x"}
    for row in found.values():
        assert row.verdict == "pass"
        assert 0 < row.error < 3 * EPS32
        assert row.tolerance == CONSTANT * EPS32 * np.sqrt(300)
    (row, _) = rows(lambda x: (np.sin(x), lambda dy: dy * np.cos(x)), X, reduction_length=4).values()
    assert row.tolerance == 2 * CONSTANT * EPS32


def half(x):
    return x.astype(np.float16).astype(x.dtype) if x.dtype == np.float32 else x


def test_a_value_or_gradient_of_lower_precision_fails():
    found = rows(lambda x: (half(np.sin(x)), lambda dy: dy * np.cos(x)), X)
    assert found["y"].verdict == "fail"
    assert found["x"].verdict == "pass"
    found = rows(lambda x: (np.sin(x), lambda dy: half(dy * np.cos(x))), X)
    assert found["y"].verdict == "pass"
    assert found["x"].verdict == "fail"


def test_a_gradient_that_is_wrong_in_float32_only_fails():
    def f(x):
        return x * x, lambda dy: (2 if x.dtype == np.float64 else 2.0001) * x * dy

    assert rows(f, X)["x"].verdict == "fail"


def test_a_kink_on_the_other_side_of_rounding_is_no_failure(monkeypatch):
    def f(x):
        positive = 3 * x - 1 > 0
        return x + 0, lambda dy: dy * positive

    third = np.full(4, 1 / 3)  # as a float32 it is above 1/3, but not by enough for 3 x - 1 in float32
    assert rows(f, third)["x"].verdict == "pass"
    monkeypatch.setattr(precision, "DRAWS", 1)
    assert rows(f, third)["x"].verdict == "fail"


def test_a_function_that_refuses_float32_fails():
    def f(x):
        if x.dtype == np.float32:
            raise TypeError("float64 only")
        return x * x, lambda dy: 2 * x * dy

    (row,) = rows(f, X).values()
    assert row.verdict == "fail"
    assert "float64 only" in row.note
