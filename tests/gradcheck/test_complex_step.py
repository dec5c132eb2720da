"""Rung 2: exactness of the complex step, and who may not take it."""

import warnings

import numpy as np
import pytest

from minirmae.gradcheck.complex_step import NotComplexSafe, evaluate, gradient_product, jacobian_product
from minirmae.gradcheck.subject import Subject

X = np.linspace(-1.5, 2.0, 6)


def subject(f, *arrays):
    return Subject("f", f, tuple(f"a{k}" for k in range(len(arrays))), arrays, 0)


def ignored(dy):
    raise AssertionError("the backward is not needed")


def test_the_derivative_of_a_function_is_exact_to_rounding():
    u = np.arange(1.0, 7.0)
    f = subject(lambda x: (np.exp(np.sin(x)) * x**3, ignored), X)
    exact = np.exp(np.sin(X)) * (np.cos(X) * X**3 + 3 * X**2) * u
    np.testing.assert_allclose(jacobian_product(f, [u]), exact, rtol=4e-15)


def test_arguments_at_rest_do_not_move():
    f = subject(lambda x, y: (x * y, ignored), X, X + 1)
    np.testing.assert_allclose(jacobian_product(f, [None, np.ones(6)]), X, rtol=1e-15)


def test_the_derivative_of_the_gradient_is_the_hessian():
    f = subject(lambda x: (np.sum(x**3), lambda dy: 3 * dy * x**2), X)
    (Hu,) = gradient_product(f, [np.ones(6)], np.asarray(2.0))
    np.testing.assert_allclose(Hu, 12 * X, rtol=1e-15)


def dropping(x):
    y = np.empty(x.shape)
    y[...] = x
    return y, ignored


def silently_dropping(x):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return x.astype(np.float64), ignored


@pytest.mark.parametrize(
    ("f", "reason"),
    [
        (lambda x: (np.abs(x), ignored), "value of dtype float64"),
        (lambda x: (x.real * 2, ignored), "value of dtype float64"),
        (lambda x: (np.floor(x), ignored), "TypeError"),
        (dropping, "ComplexWarning"),
        (silently_dropping, "value of dtype float64"),
    ],
)
def test_functions_that_are_not_complex_safe_are_recognised(f, reason):
    with pytest.raises(NotComplexSafe, match=reason):
        evaluate(subject(f, X), [np.ones(6)])


def test_a_backward_that_is_not_complex_safe_is_recognised():
    f = subject(lambda x: (x * x, lambda dy: dy.real * x.real), X)
    with pytest.raises(NotComplexSafe, match="gradient of dtype float64"):
        gradient_product(f, [np.ones(6)], np.ones(6))
