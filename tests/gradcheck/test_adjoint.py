"""Rung 1: what is linear must be so to rounding error."""

import numpy as np
import pytest

from minirmae.gradcheck import check, dot_test

A = np.random.default_rng(0).standard_normal((3, 5))
X = np.random.default_rng(1).standard_normal(5)


def methods(report):
    return {row.method for row in report.failures}


def test_a_matrix_and_its_transpose_pass_and_a_wrong_adjoint_fails():
    assert dot_test(lambda u: A @ u, lambda v: A.T @ v, X).passed
    wrong = A.T.copy()
    wrong[4, 2] *= 1 + 1e-10
    report = dot_test(lambda u: A @ u, lambda v: wrong @ v, X, name="almost")
    assert not report.passed
    assert report.name == "almost"
    assert report.worst.error > report.worst.tolerance == 1e-13
    assert abs(report.worst.analytic - report.worst.numeric) > 1e-12


def test_a_dot_test_reports_a_wrong_shape_and_an_exception():
    assert "shape (3,), expected (5,)" in dot_test(lambda u: A @ u, lambda v: v, X).worst.note
    assert "ValueError" in dot_test(lambda u: A @ u, lambda v: A @ v, X).worst.note


def test_a_dot_test_does_not_believe_a_map_that_is_zero_or_an_adjoint_that_is():
    assert not dot_test(lambda u: A @ u, lambda v: np.zeros(5), X).passed
    assert not dot_test(lambda u: np.zeros(3), lambda v: A.T @ v, X).passed
    assert dot_test(lambda u: np.zeros(3), lambda v: np.zeros(5), X).passed


def linear(x, W, b):
    return x @ W + b, lambda dy: (dy @ W.T, x.T @ dy, dy.sum(axis=0))


def arrays():
    rng = np.random.default_rng(2)
    return rng.standard_normal((3, 4)), rng.standard_normal((4, 2)), rng.standard_normal(2)


def test_an_op_that_is_affine_in_each_argument_passes_as_linear():
    report = check(linear, *arrays(), linear=True, rungs=("adjoint",)).require()
    assert [row.argument for row in report.rows if row.method == "dot test"] == ["x", "W", "b"]
    assert report.largest_error("adjoint") <= 1e-13


def test_only_the_named_arguments_are_taken_as_linear():
    report = check(linear, *arrays(), linear=["W"], rungs=("adjoint",))
    assert [row.argument for row in report.rows if row.method == "value is linear"] == ["W"]
    with pytest.raises(ValueError, match="linear must be one of x, W, b"):
        check(linear, *arrays(), linear=["V"])


def test_a_function_claimed_to_be_linear_that_is_not_fails():
    report = check(lambda x: (x * x, lambda dy: 2 * dy * x), X, linear=True, rungs=("adjoint",))
    assert "value is linear" in methods(report)


@pytest.mark.parametrize(
    "nonlinear",
    [
        pytest.param(lambda dy: np.abs(dy), id="absolute value"),
        pytest.param(lambda dy: dy + 1e-9, id="offset"),
        pytest.param(lambda dy: np.clip(dy, -0.1, 0.1), id="clipping"),
        pytest.param(lambda dy: np.ones_like(dy), id="constant"),
    ],
)
def test_a_backward_that_is_not_linear_in_dy_fails(nonlinear):
    report = check(lambda x: (x.copy(), nonlinear), X, rungs=("adjoint",))
    assert methods(report) == {"backward is linear"}
