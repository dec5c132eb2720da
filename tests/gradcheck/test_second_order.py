"""Rung 4: a gradient has a symmetric derivative."""

import numpy as np

from minirmae.gradcheck import check

X = np.random.default_rng(0).standard_normal(5)


def row(function, *arrays):
    (row,) = check(function, *arrays, rungs=("second order",)).rows
    return row


def test_a_gradient_passes_and_its_curvature_is_reported():
    found = row(lambda x: (np.sum(np.exp(x)), lambda dy: dy * np.exp(x)), X)
    assert (found.argument, found.method, found.verdict) == ("x", "complex step", "pass")
    assert abs(found.analytic) > 1e-3
    assert found.error < 1e-14


def test_a_field_that_is_no_gradient_fails():
    def f(x):
        return np.sum(x * x), lambda dy: dy * (2 * x + np.roll(x, 1))

    assert row(f, X).verdict == "fail"


def test_arguments_are_taken_jointly():
    def f(x, y, factor=1.0):
        return x * y, lambda dy: (dy * y, factor * dy * x)

    assert row(f, X, X + 1).verdict == "pass"
    assert row(lambda x, y: f(x, y, 1 + 1e-9), X, X + 1).verdict == "fail"


def test_a_hessian_of_zero_passes():
    found = row(lambda x: (3 * x, lambda dy: 3 * dy), X)
    assert found.verdict == "pass"
    assert found.error == 0


def test_a_backward_that_only_takes_real_numbers_is_differenced():
    def f(x):
        return x**3, lambda dy: 3 * dy.real * x.real**2

    found = row(f, X)
    assert (found.method, found.verdict) == ("Richardson", "pass")
    assert "dtype float64" in found.note
    assert row(lambda x: (np.abs(x), lambda dy: dy.real * np.sign(x.real)), np.zeros(3)).verdict == "inconclusive"


def test_differences_find_an_asymmetry_too():
    def f(x):
        return np.sum(x * x), lambda dy: dy.real * (2 * x + np.roll(x, 1)).real

    found = row(f, X)
    assert (found.method, found.verdict) == ("Richardson", "fail")
