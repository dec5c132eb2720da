"""conv2d and conv_transpose2d against loops over their definitions, and the identities of the trilinear form."""

import numpy as np
import pytest
from conv_geometries import geometries
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import convolve, convolve_transposed

from minirmae import ops
from minirmae.ops.convolution import output_size, transposed_output_size


@given(geometries(), st.integers(0, 2**32 - 1))
def test_conv2d_is_its_definition(geometry, seed):
    N, size, (C, O), kernel, stride, padding = geometry
    rng = np.random.default_rng(seed)
    x, W, b = rng.normal(size=(N, *size, C)), rng.normal(size=(*kernel, C, O)), rng.normal(size=O)
    y, _ = ops.conv2d(x, W, b, stride=stride, padding=padding)
    np.testing.assert_allclose(y, convolve(x, W, stride, padding) + b, rtol=1e-12, atol=1e-12)


@given(geometries(), st.data())
def test_conv_transpose2d_is_its_definition(geometry, data):
    N, size, (C, O), kernel, stride, padding = geometry
    extra = tuple(data.draw(st.integers(0, s - 1)) for s in stride)
    if any((n - 1) * s - 2 * p + k + e < 1 for n, k, s, p, e in zip(size, kernel, stride, padding, extra, strict=True)):
        return
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    x, W, b = rng.normal(size=(N, *size, C)), rng.normal(size=(*kernel, O, C)), rng.normal(size=O)
    y, _ = ops.conv_transpose2d(x, W, b, stride=stride, padding=padding, output_padding=extra)
    expected = convolve_transposed(x, W, stride, padding, extra) + b
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)


@given(geometries(), st.integers(0, 2**32 - 1))
def test_value_and_gradients_are_one_trilinear_form(geometry, seed):
    """<conv(x, W), y> = <x, dx> = <W, dW>, and the transposed convolution of y is dx."""
    N, size, (C, O), kernel, stride, padding = geometry
    rng = np.random.default_rng(seed)
    x, W = rng.normal(size=(N, *size, C)), rng.normal(size=(*kernel, C, O))
    value, backward = ops.conv2d(x, W, stride=stride, padding=padding)
    y = rng.normal(size=value.shape)
    dx, dW = backward(y)
    form = np.vdot(value, y)
    scale = np.linalg.norm(x) * np.linalg.norm(W) * np.linalg.norm(y) + 1e-300
    assert abs(form - np.vdot(x, dx)) <= 1e-13 * scale
    assert abs(form - np.vdot(W, dW)) <= 1e-13 * scale
    rest = tuple((n + 2 * p - k) % s for n, p, k, s in zip(size, padding, kernel, stride, strict=True))
    up, up_backward = ops.conv_transpose2d(y, W, stride=stride, padding=padding, output_padding=rest)
    np.testing.assert_allclose(up, dx, rtol=1e-12, atol=1e-12)
    dy, up_dW = up_backward(x)
    np.testing.assert_allclose(dy, value, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(up_dW, dW, rtol=1e-12, atol=1e-12)


@settings(max_examples=20)
@given(geometries())
def test_strides_of_the_input_do_not_matter(geometry):
    N, size, (C, O), kernel, stride, padding = geometry
    rng = np.random.default_rng(0)
    x, W = rng.normal(size=(C, N, *size)), rng.normal(size=(*kernel, C, O))
    view = x.transpose(1, 2, 3, 0)[:, ::-1]
    expected, _ = ops.conv2d(view.copy(), W, stride=stride, padding=padding)
    result, _ = ops.conv2d(view, W[::1], stride=stride, padding=padding)
    np.testing.assert_allclose(result, expected, rtol=1e-13, atol=1e-13)


def test_pixels_that_no_window_reaches_get_no_gradient():
    x = np.ones((1, 5, 5, 1))
    _, backward = ops.conv2d(x, np.ones((2, 2, 1, 1)), stride=2)
    dx, _ = backward(np.ones((1, 2, 2, 1)))
    assert (dx[0, :4, :4] == 1).all()
    assert (dx[0, 4] == 0).all()
    assert (dx[0, :, 4] == 0).all()


def test_transposed_size_inverts_the_size():
    for size in range(1, 9):
        up = transposed_output_size((size, size), (4, 4), (2, 2), (1, 1), 0)
        assert output_size(up, (4, 4), (2, 2), (1, 1)) == (size, size)


@pytest.mark.parametrize(
    "x, W, options, message",
    [
        ((1, 4, 4), (3, 3, 1, 1), {}, r"must have 4 axes"),
        ((1, 4, 4, 2), (3, 3, 1, 1), {}, r"x has 2 channels but the kernel .* takes 1"),
        ((1, 2, 2, 1), (3, 3, 1, 1), {}, r"kernel \(3, 3\) is larger than the input \(2, 2\)"),
        ((1, 4, 4, 1), (3, 3, 1, 1), {"stride": 0}, r"stride must be an integer of at least 1 .* got 0"),
        ((1, 4, 4, 1), (3, 3, 1, 1), {"padding": -1}, r"padding must be an integer of at least 0"),
        ((1, 4, 4, 1), (3, 3, 1, 1), {"stride": (1, 2, 3)}, r"pair \(height, width\)"),
    ],
)
def test_bad_geometry_is_named(x, W, options, message):
    with pytest.raises(ValueError, match=message):
        ops.conv2d(np.zeros(x), np.zeros(W), **options)


def test_bad_transposed_geometry_is_named():
    x, W = np.zeros((1, 1, 1, 2)), np.zeros((2, 2, 3, 2))
    with pytest.raises(ValueError, match="less than the stride"):
        ops.conv_transpose2d(x, W, output_padding=1)
    with pytest.raises(ValueError, match="nothing is left"):
        ops.conv_transpose2d(x, W, padding=1)
    with pytest.raises(ValueError, match="takes 3"):
        ops.conv_transpose2d(x, W.swapaxes(2, 3))
    with pytest.raises(ValueError, match=r"b must have shape \(3,\), got \(2,\)"):
        ops.conv_transpose2d(x, W, np.zeros(2))
