"""The mistakes: each leaves the value alone and changes what it says it changes."""

import numpy as np
import pytest

from minirmae.gradcheck import mistakes

X, Y = np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 8.0])
DY = np.array([1.0, -1.0, 0.5])


def product(x, y):
    return x * y, lambda dy: (dy * y, dy * x)


def gradients(function):
    value, backward = function(X.copy(), Y.copy())
    np.testing.assert_array_equal(value, X * Y)
    return backward(DY.copy())


def test_one_gradient_is_changed_or_uses_another_cotangent():
    dx, dy = gradients(mistakes.wrong_gradient(product, 1, np.negative))
    np.testing.assert_array_equal(dx, DY * Y)
    np.testing.assert_array_equal(dy, -DY * X)
    dx, dy = gradients(mistakes.wrong_cotangent(product, 0, np.ones_like))
    np.testing.assert_array_equal(dx, Y)
    np.testing.assert_array_equal(dy, DY * X)


def test_memory_is_written_to_handed_back_or_used_again():
    dy = DY.copy()
    mistakes.mutating_dy(product)(X, Y)[1](dy)
    np.testing.assert_array_equal(dy, 2 * DY)
    x = X.copy()
    mistakes.mutating_input(product)(x, Y.copy())
    np.testing.assert_array_equal(x, 2 * X)
    backward = mistakes.aliasing(product)(X, Y)[1]
    assert all(gradient is dy for gradient in backward(dy))
    backward = mistakes.reusing(product)(X, Y)[1]
    assert backward(DY)[0] is backward(2 * DY)[0]


def test_state_is_kept_from_one_call_to_the_next():
    backward = mistakes.accumulating(product)(X, Y)[1]
    np.testing.assert_array_equal(2 * backward(DY)[0], backward(DY)[0])
    function = mistakes.stale(product)
    first = function(X, Y)[1]
    function(X, 3 * Y)
    np.testing.assert_array_equal(first(DY)[0], 3 * DY * Y)
    backward = mistakes.single_use(product)(X, Y)[1]
    backward(DY)
    with pytest.raises(IndexError):
        backward(DY)


def test_the_shape_of_the_answer_is_wrong():
    assert [g.dtype for g in gradients(mistakes.returning(product, np.float32))] == [np.float32, np.float32]
    assert [g.shape for g in gradients(mistakes.reshaping(product))] == [(1, 3), (1, 3)]
    assert len(gradients(mistakes.dropping(product))) == 1
