"""Values of the ops at known points, and the errors they raise; gradients are in test_gradcheck_suite."""

import numpy as np
import pytest

from minirmae import ops


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
def test_every_op_keeps_the_dtype(dtype):
    rng = np.random.default_rng(0)

    def a(*shape):
        return rng.normal(size=shape).astype(dtype)

    images = a(2, 4, 4, 3)
    keep = rng.random((2, 3)) > 0.5
    results = [
        ops.linear(a(2, 3), a(3, 4), a(4)),
        ops.linear_stack(a(2, 3), a(5, 3, 3)),
        ops.conv2d(images, a(3, 3, 3, 2), a(2), stride=2, padding=1),
        ops.conv_transpose2d(images, a(3, 3, 2, 3), a(2), stride=2, padding=1),
        *(f(a(2, 3)) for f in (ops.relu, ops.leaky_relu, ops.sigmoid, ops.tanh, ops.flatten)),
        ops.reshape(a(2, 4), (2, 2)),
        ops.dropout(a(2, 3), keep, 0.5),
        ops.mean_squared_error(a(2, 3), a(2, 3)),
        ops.binary_cross_entropy_with_logits(a(2, 3), a(2, 3)),
        ops.softmax_cross_entropy(a(2, 3), np.array([0, 2])),
    ]
    for y, backward in results:
        gradients = backward(np.ones_like(y))
        for array in (y, *(gradients if isinstance(gradients, tuple) else (gradients,))):
            assert array.dtype == dtype


def test_linear_stack_is_the_product():
    rng = np.random.default_rng(1)
    x, W = rng.normal(size=(4, 3)), rng.normal(size=(3, 3, 3))
    y, _ = ops.linear_stack(x, W)
    np.testing.assert_allclose(y, x @ W[0] @ W[1] @ W[2], rtol=1e-14)


def test_empty_linear_stack_is_the_identity_and_a_copy():
    x = np.ones((2, 3))
    y, backward = ops.linear_stack(x, np.empty((0, 3, 3)))
    dx, dW = backward(y)
    assert (y == x).all()
    assert not np.shares_memory(x, y)
    assert (dx == y).all()
    assert dW.shape == (0, 3, 3)


def test_sigmoid_and_cross_entropy_neither_overflow_nor_lose_small_values():
    x = np.array([-800.0, -40.0, 0.0, 40.0, 800.0])
    y, backward = ops.sigmoid(x)
    np.testing.assert_allclose(y, [0, np.exp(-40), 0.5, 1, 1], rtol=1e-15)
    np.testing.assert_allclose(backward(np.ones(5))[[1, 3]], [np.exp(-40)] * 2, rtol=1e-15)
    loss, backward = ops.binary_cross_entropy_with_logits(x, np.array([1.0, 1.0, 0.5, 0.0, 0.0]))
    assert float(loss) == pytest.approx((800 + 40 + np.log(2) + 40 + 800) / 5, rel=1e-14)
    assert np.isfinite(backward()).all()


def test_softmax_cross_entropy_of_huge_logits():
    loss, backward = ops.softmax_cross_entropy(np.array([[1e4, 0.0], [0.0, 1e4]]), np.array([0, 0]))
    assert float(loss) == 5e3
    np.testing.assert_allclose(backward(), [[0, 0], [-0.5, 0.5]], atol=1e-15)


def test_slope_at_the_kink_is_that_of_the_negative_side():
    zero = np.array([0.0, -0.0])
    for op, slope in ((ops.relu, 0.0), (lambda x: ops.leaky_relu(x, 0.2), 0.2)):
        y, backward = op(zero)
        assert (y == 0).all()
        assert (backward(np.ones(2)) == slope).all()


def test_nan_is_not_hidden():
    for op in (ops.relu, ops.leaky_relu, ops.sigmoid, ops.tanh):
        assert np.isnan(op(np.array([np.nan]))[0]).all()


def test_dropout_keeps_the_expectation():
    keep = np.random.default_rng(0).random((200, 500)) >= 0.3
    y, backward = ops.dropout(np.ones(keep.shape), keep, 0.3)
    assert y.mean() == pytest.approx(1, abs=0.01)
    assert (backward(np.ones(keep.shape)) == y).all()


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: ops.linear(np.zeros((2, 3)), np.zeros((4, 3))), ValueError, "x has 3 inputs but W .* takes 4"),
        (lambda: ops.linear(np.zeros(3), np.zeros((3, 3))), ValueError, r"2 axes \(batch, inputs\), got shape \(3,\)"),
        (lambda: ops.linear(np.zeros((2, 3)), np.zeros((3, 1)), np.zeros(2)), ValueError, r"b must have shape \(1,\)"),
        (lambda: ops.linear(np.zeros((2, 3), "f4"), np.zeros((3, 3))), TypeError, "x is float32 and W is float64"),
        (lambda: ops.linear(np.zeros((2, 3), "u1"), np.zeros((3, 3))), TypeError, "x must hold floats, got uint8"),
        (lambda: ops.relu([1.0]), TypeError, "x must be an array, got list"),
        (lambda: ops.linear_stack(np.zeros((2, 3)), np.zeros((1, 3, 2))), ValueError, r"needs W \(layers, 3, 3\), got"),
        (lambda: ops.reshape(np.zeros((2, 3)), (4,)), ValueError, "3 entries against 4"),
        (lambda: ops.dropout(np.zeros(2), np.ones(2, bool), 1.0), ValueError, r"rate must be in \[0, 1\)"),
        (lambda: ops.dropout(np.zeros(2), np.ones(2), 0.5), TypeError, "keep must be boolean, got float64"),
        (lambda: ops.mean_squared_error(np.zeros(2), np.zeros(3)), ValueError, r"must have shape \(2,\), got \(3,\)"),
        (lambda: ops.mean_squared_error(np.zeros(0), np.zeros(0)), ValueError, "no entry to average"),
        (lambda: ops.softmax_cross_entropy(np.zeros((1, 2)), np.array([2])), ValueError, r"\[0, 2\), got 2 to 2"),
        (lambda: ops.softmax_cross_entropy(np.zeros((1, 2)), np.array([1.0])), TypeError, "labels must be integers"),
        (lambda: ops.softmax_cross_entropy(np.zeros((0, 2)), np.zeros(0, int)), ValueError, "batch is empty"),
        (lambda: ops.relu(np.zeros(2))[1](np.zeros(3)), ValueError, r"dy must have shape \(2,\), got \(3,\)"),
        (lambda: ops.relu(np.zeros(2))[1](np.zeros(2, "f4")), TypeError, "y is float64 and dy is float32"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
