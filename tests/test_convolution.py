"""The convolution primitives, conv2d and conv_transpose2d against loops over their definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import convolve, convolve_transposed

from minirmae import ops
from minirmae.ops.conv_transpose2d import transposed_output_size
from minirmae.ops.form import output_size
from minirmae.ops.patches import Patches
from minirmae.ops.winograd import Winograd, fits

pairs = st.tuples


@st.composite
def geometries(draw):
    """A random convolution: input, kernel, stride and padding, rectangular, remainders included."""
    kernel = draw(pairs(st.integers(1, 4), st.integers(1, 4)))
    stride = draw(pairs(st.integers(1, 3), st.integers(1, 3)))
    padding = draw(pairs(st.integers(0, 2), st.integers(0, 2)))
    size = tuple(max(1, k - 2 * p) + draw(st.integers(0, 4)) for k, p in zip(kernel, padding, strict=True))
    channels = draw(pairs(st.integers(1, 3), st.integers(1, 3)))
    return draw(st.integers(0, 3)), size, channels, kernel, stride, padding


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
def test_the_three_primitives_are_one_trilinear_form(geometry, seed):
    N, size, (C, O), kernel, stride, padding = geometry
    rng = np.random.default_rng(seed)
    x, W = rng.normal(size=(N, *size, C)), rng.normal(size=(*kernel, C, O))
    y = rng.normal(size=(N, *output_size(size, kernel, stride, padding), O))
    form = np.vdot(ops.correlate(x, W, stride, padding), y)
    scale = np.linalg.norm(x) * np.linalg.norm(W) * np.linalg.norm(y) + 1e-300
    assert abs(form - np.vdot(x, ops.correlate_dx(y, W, size, stride, padding))) <= 1e-13 * scale
    assert abs(form - np.vdot(W, ops.correlate_dW(x, y, kernel, stride, padding))) <= 1e-13 * scale


def written(adjoint, v, like):
    """What an adjoint returns, or what it writes over every entry of its second argument."""
    out = np.full(like.shape, np.nan)
    try:
        adjoint(v, out)
    except TypeError:
        return adjoint(v)
    return out


def assert_is_a_basis(form, N, rng):
    """The three transforms have the adjoints they claim, and their products are the trilinear form."""
    C, O = form.channels, form.outputs
    x, W = rng.normal(size=(N, *form.size, C)), rng.normal(size=(*form.kernel, C, O))
    y = rng.normal(size=(N, *form.output_size, O))
    X, K, Y = form.X(x), form.K(W), form.Y(y)
    products, rows, depth = form.matrices
    assert X.shape == (products, N * rows, depth)
    assert K.shape == (products, depth, O)
    for forward, adjoint, argument, value in (
        (form.X, form.X_adjoint, x, X),
        (form.K, form.K_adjoint, W, K),
        (form.Y, form.Y_adjoint, y, Y),
    ):
        v = rng.normal(size=value.shape)
        left, right = np.vdot(value, v), np.vdot(argument, written(adjoint, v, argument))
        assert abs(left - right) <= 1e-13 * (np.linalg.norm(value) * np.linalg.norm(v) + 1e-300), forward
    expected = convolve(x, W, form.stride, form.padding)
    np.testing.assert_allclose(written(form.Y_adjoint, X @ K, y), expected, rtol=1e-11, atol=1e-11)


@given(geometries(), st.integers(0, 2**32 - 1))
def test_patches_are_a_basis(geometry, seed):
    N, size, (C, O), kernel, stride, padding = geometry
    assert_is_a_basis(Patches(size, C, kernel, O, stride, padding), N, np.random.default_rng(seed))


@settings(max_examples=25)
@given(st.integers(0, 2), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3))
def test_winograd_is_a_basis(N, t, u, C, O):
    form = Winograd((4 * t, 4 * u), C, (4, 4), O, (2, 2), (1, 1))
    assert_is_a_basis(form, N, np.random.default_rng(t * 10 + u))


@pytest.mark.parametrize("N", [1, 3, 9])
def test_both_bases_agree_block_by_block(N, monkeypatch):
    """Blocks of one image each; float32 results are within rounding of float64."""
    monkeypatch.setattr("minirmae.ops.form.BLOCK", 1)
    geometry = ((16, 20), 16, (4, 4), 24, (2, 2), (1, 1))
    assert fits(geometry[0], geometry[1], *geometry[2:3], *geometry[4:])
    fast, plain = Winograd(*geometry), Patches(*geometry)
    assert sum(map(len, fast._parts(np.empty(9)))) == 9
    rng = np.random.default_rng(N)
    x, W, y = (rng.normal(size=s) for s in ((N, 16, 20, 16), (4, 4, 16, 24), (N, 8, 10, 24)))
    K = {form: form.K(W) for form in (fast, plain)}
    for result, expected in (
        (fast.dy(x, K[fast]), plain.dy(x, K[plain])),
        (fast.dx(y, K[fast]), plain.dx(y, K[plain])),
        (fast.dW(x, y), plain.dW(x, y)),
        *zip(fast.dy_and_dW(x, K[fast], y), plain.dy_and_dW(x, K[plain], y), strict=True),
        *zip(fast.dx_and_dW(y, K[fast], x), plain.dx_and_dW(y, K[plain], x), strict=True),
    ):
        np.testing.assert_allclose(result, expected, rtol=0, atol=1e-13 * abs(expected).max() * 16)
    x32, W32 = x.astype(np.float32), W.astype(np.float32)
    error = abs(fast.dy(x32, fast.K(W32)) - plain.dy(x, K[plain])).max()
    assert error <= 4 * np.finfo(np.float32).eps * np.sqrt(256) * abs(plain.dy(x, K[plain])).max()


def test_the_papers_large_layers_are_fast_and_its_small_ones_plain():
    layer = {"kernel": (4, 4), "stride": (2, 2), "padding": (1, 1)}
    assert fits((32, 32), 32, **layer)
    assert fits((16, 16), 64, **layer)
    assert not fits((32, 32), 1, **layer)
    assert not fits((8, 8), 64, **layer)
    assert not fits((18, 18), 64, **layer)
    assert not fits((16, 16), 64, **{**layer, "padding": (0, 0)})


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
        up = transposed_output_size((size, size), (4, 4), 2, 1)
        assert output_size(up, (4, 4), (2, 2), (1, 1)) == (size, size)


@pytest.mark.parametrize(
    "x, W, options, message",
    [
        ((1, 4, 4), (3, 3, 1, 1), {}, r"must have 4 axes"),
        ((1, 4, 4, 2), (3, 3, 1, 1), {}, r"x has 2 channels but the kernel .* takes 1"),
        ((1, 2, 2, 1), (3, 3, 1, 1), {}, r"kernel \(3, 3\) is larger than the input \(2, 2\)"),
        ((1, 4, 4, 1), (3, 3, 1, 1), {"stride": 0}, r"stride must be an integer of at least 1 .* came 0"),
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
    with pytest.raises(ValueError, match=r"b must have shape \(3,\), came \(2,\)"):
        ops.conv_transpose2d(x, W, np.zeros(2))


def test_primitives_refuse_an_output_of_the_wrong_size():
    with pytest.raises(ValueError, match=r"gives an output of \(2, 2, 1\) per image, came \(3, 3, 1\)"):
        ops.correlate_dx(np.zeros((1, 3, 3, 1)), np.zeros((3, 3, 1, 1)), (4, 4))
    with pytest.raises(ValueError, match="x holds 2 images but the cotangent 1"):
        ops.correlate_dW(np.zeros((2, 4, 4, 1)), np.zeros((1, 2, 2, 1)), (3, 3))
