"""The convolution primitives, conv2d and conv_transpose2d against loops over their definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import convolve, convolve_transposed

from minirmae import ops
from minirmae.engines.cpu.form import Form, output_size
from minirmae.engines.cpu.patches import blocks
from minirmae.engines.cpu.winograd import Winograd
from minirmae.ops.conv_transpose2d import transposed_output_size
from minirmae.ops.convolution import make_form

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


@given(geometries(), st.integers(0, 2**32 - 1))
def test_gathering_and_folding_are_the_same_map(geometry, seed):
    N, size, (C, O), kernel, stride, padding = geometry
    form = Form(size, C, kernel, O, stride, padding)
    rng = np.random.default_rng(seed)
    W, y = rng.normal(size=(*kernel, C, O)), rng.normal(size=(N, *form.output_size, O))
    results = []
    for fill in (form._gather, form._fold):
        x = np.full((N, *size, C), np.nan)
        assert sum(images.stop - images.start for images in fill(x, y, W)) == N
        results.append(x)
    np.testing.assert_allclose(*results, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("channels", [(32, 64), (256, 128)])
def test_blocks_of_one_image_give_what_one_block_gives(channels, monkeypatch):
    """Each image is worked on alone, in float32, and is within rounding of float64 in one piece."""
    form = Form((8, 12), channels[0], (4, 4), channels[1], (2, 2), (1, 1))
    rng = np.random.default_rng(0)
    x, W = rng.normal(size=(5, 8, 12, channels[0])), rng.normal(size=(4, 4, *channels))
    y = rng.normal(size=(5, *form.output_size, channels[1]))

    def maps(x, W, y):
        return form.dy(x, W), form.dx(y, W), form.dW(x, y), *form.dy_and_dW(x, W, y)

    expected = maps(x, W, y)
    monkeypatch.setattr("minirmae.engines.cpu.patches.BLOCK", 1)
    assert len(blocks(5, 1000)) == 5
    lengths = (16 * channels[0], 4 * channels[1], 5 * 24, 16 * channels[0], 5 * 24)
    for a, b, length in zip(maps(*(v.astype("f4") for v in (x, W, y))), expected, lengths, strict=True):
        assert a.dtype == np.float32
        assert abs(a - b).max() <= 8 * np.finfo(np.float32).eps * np.sqrt(length) * abs(b).max()


def test_the_papers_large_layers_are_gathered_and_its_small_ones_folded():
    layer = {"kernel": (4, 4), "stride": (2, 2), "padding": (1, 1)}
    assert Form((32, 32), 32, outputs=64, **layer).gathers
    assert Form((16, 16), 64, outputs=128, **layer).gathers
    assert not Form((8, 8), 64, outputs=128, **layer).gathers
    assert not Form((64, 64), 3, outputs=128, **layer).gathers
    assert not Form((32, 32), 8, (3, 3), 8, (2, 2), (1, 1)).gathers
    assert Form((32, 32), 8, (3, 3), 8, (1, 1), (1, 1)).gathers


def nine_products(rng, size, channels, outputs, dtype=np.float64):
    """`Form` and `Winograd` of one geometry, and random x, W, y for it."""
    layer = (size, channels, (4, 4), outputs, (2, 2), (1, 1))
    shapes = (3, *size, channels), (4, 4, channels, outputs), (3, size[0] // 2, size[1] // 2, outputs)
    return Form(*layer), Winograd(*layer), [rng.normal(size=shape).astype(dtype) for shape in shapes]


@settings(max_examples=30)
@given(pairs(st.integers(1, 3), st.integers(1, 3)), pairs(st.integers(1, 3), st.integers(1, 3)), st.booleans())
def test_nine_products_give_what_sixteen_give(tiles, channels, one_by_one):
    rng = np.random.default_rng(0)
    form, winograd, (x, W, y) = nine_products(rng, (4 * tiles[0], 4 * tiles[1]), *channels)
    b, c = rng.normal(size=channels[0]), rng.normal(size=channels[1])
    with pytest.MonkeyPatch.context() as patch, np.errstate(all="raise"):
        if one_by_one:
            patch.setattr("minirmae.engines.cpu.winograd.ENTRIES", 1)
        for images in (0, 1, 3):
            for maps in (
                lambda f, x=x[:images], y=y[:images]: f.dy(x, W, c),
                lambda f, x=x[:images], y=y[:images]: f.dy(x, W),
                lambda f, x=x[:images], y=y[:images]: f.dx(y, W, b),
                lambda f, x=x[:images], y=y[:images]: f.dx(y, W),
                lambda f, x=x[:images], y=y[:images]: f.dW(x, y),
                lambda f, x=x[:images], y=y[:images]: f.dy_and_dW(x, W, y)[0],
                lambda f, x=x[:images], y=y[:images]: f.dy_and_dW(x, W, y)[1],
            ):
                np.testing.assert_allclose(maps(winograd), maps(form), rtol=1e-12, atol=1e-12)


def test_nine_products_in_single_precision_are_within_rounding_of_double():
    rng = np.random.default_rng(1)
    _, winograd, (x, W, y) = nine_products(rng, (16, 16), 64, 128)
    form, _, _ = nine_products(rng, (16, 16), 64, 128)
    lengths = (16 * 64, 4 * 128, 3 * 64)
    single = [v.astype("f4") for v in (x, W, y)]
    for maps, length in zip(
        (lambda f, x, W, y: f.dy(x, W), lambda f, x, W, y: f.dx(y, W), lambda f, x, W, y: f.dW(x, y)),
        lengths,
        strict=True,
    ):
        a, b = maps(winograd, *single), maps(form, x, W, y)
        assert a.dtype == np.float32
        assert abs(a - b).max() <= 8 * np.finfo(np.float32).eps * np.sqrt(length) * abs(b).max()


def test_nine_products_do_not_mind_the_strides_of_their_arguments():
    _, winograd, (x, W, y) = nine_products(np.random.default_rng(0), (8, 12), 2, 3)
    expected = winograd.dy(x, W), winograd.dx(y, W), winograd.dW(x, y), *winograd.dy_and_dW(x, W, y)
    x, W, y = (np.asfortranarray(array) for array in (x, W, y))
    results = winograd.dy(x, W), winograd.dx(y, W), winograd.dW(x, y), *winograd.dy_and_dW(x, W, y)
    for a, b in zip(results, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_a_kernels_gradient_is_written_where_it_is_wanted():
    for form in nine_products(np.random.default_rng(0), (8, 12), 2, 3)[:2]:
        x, W, y = nine_products(np.random.default_rng(0), (8, 12), 2, 3)[2]
        for images in (0, 3):
            expected, out = form.dW(x[:images], y[:images]), np.full_like(W, np.nan)
            assert form.dW(x[:images], y[:images], out) is out
            np.testing.assert_array_equal(out, expected)
            out[...] = np.nan
            assert form.dy_and_dW(x[:images], W, y[:images], out)[1] is out
            np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-12)


def test_nine_products_leave_no_memory_unwritten_that_they_add(monkeypatch):
    """What lay in new memory is never added, not even to entries that nobody reads: it could be anything, and warn."""
    rng = np.random.default_rng(0)
    form, winograd, (x, W, y) = nine_products(rng, (8, 12), 2, 3)
    expected = form.dx(y, W), *form.dy_and_dW(x, W, y)
    empty, empty_like = np.empty, np.empty_like

    def filled(make):
        def signalling_nan(*args, **kwargs):
            array = make(*args, **kwargs)
            array.view(np.int64)[...] = 0x7FF0000000000001
            return array

        return signalling_nan

    monkeypatch.setattr(np, "empty", filled(empty))
    monkeypatch.setattr(np, "empty_like", filled(empty_like))
    with np.errstate(all="raise"):
        results = winograd.dx(y, W), *winograd.dy_and_dW(x, W, y)
    for a, b in zip(results, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_nine_products_are_for_large_layers_of_one_geometry():
    layer = {"kernel": (4, 4), "stride": 2, "padding": 1}
    assert type(make_form(16, (16, 16), 64, outputs=128, **layer)) is Winograd
    for images, size, channels, other in (
        (1, (16, 16), 64, {}),
        (16, (16, 16), 16, {}),
        (16, (16, 18), 64, {}),
        (16, (16, 16), 64, {"stride": 1}),
        (16, (16, 16), 64, {"padding": 0}),
        (16, (16, 16), 64, {"kernel": (3, 3)}),
    ):
        assert type(make_form(images, size, channels, outputs=128, **{**layer, **other})) is Form


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


def test_primitives_refuse_an_output_of_the_wrong_size():
    with pytest.raises(ValueError, match=r"gives an output of \(2, 2, 1\) per image, got \(3, 3, 1\)"):
        ops.correlate_dx(np.zeros((1, 3, 3, 1)), np.zeros((3, 3, 1, 1)), (4, 4))
    with pytest.raises(ValueError, match="x holds 2 images but the cotangent 1"):
        ops.correlate_dW(np.zeros((2, 4, 4, 1)), np.zeros((1, 2, 2, 1)), (3, 3))
