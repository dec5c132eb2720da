"""The geometries that hypothesis draws, and both convolutions on them."""

import pytest
from hypothesis import given, settings

from minirmae import ops
from minirmae.gradcheck import assert_gradients
from minirmae.gradcheck.strategies import arrays_like, geometries
from minirmae.ops.convolution import output_size

steady = settings(derandomize=True, database=None, deadline=None, max_examples=60)


@steady
@given(geometries(max_batch=3, max_output=4))
def test_sizes_belong_together(g):
    assert output_size(g.size, g.kernel, g.stride, g.padding) == g.output
    for H, K, S, P, OH, R in zip(g.size, g.kernel, g.stride, g.padding, g.output, g.remainder, strict=True):
        assert H >= 1
        assert 0 <= P <= K <= 4
        assert 0 <= R < S <= 3
        assert (OH - 1) * S - 2 * P + K + R == H
    assert 0 <= g.N <= 3


@steady
@given(geometries(min_batch=1, rectangular=True, max_padding=0))
def test_options_are_kept(g):
    assert g.kernel[0] != g.kernel[1]
    assert g.stride[0] != g.stride[1]
    assert g.padding == (0, 0)
    assert g.N >= 1


@pytest.fixture(scope="module")
def drawn():
    found = []

    @steady
    @given(geometries())
    def draw(geometry):
        found.append(geometry)

    draw()
    return found


@pytest.mark.parametrize(
    "wanted",
    [
        lambda g: g.N == 0,
        lambda g: g.N == 1,
        lambda g: g.remainder[0] > 0 and g.remainder[1] == 0,
        lambda g: g.padding[0] == g.kernel[0],
        lambda g: g.stride[0] > g.kernel[0],
        lambda g: g.channels[0] != g.channels[1],
    ],
)
def test_the_awkward_geometries_are_among_those_drawn(wanted, drawn):
    assert any(map(wanted, drawn))


@steady
@given(geometries())
def test_convolution_has_right_gradients_whatever_its_geometry(g):
    x, W, b = arrays_like(g.x_shape, g.W_shape, (g.channels[1],))
    assert_gradients(lambda x, W, b: ops.conv2d(x, W, b, stride=g.stride, padding=g.padding), x, W, b, linear=True)


@steady
@given(geometries())
def test_transposed_convolution_has_right_gradients_whatever_its_geometry(g):
    y, W, b = arrays_like(g.y_shape, g.W_shape, (g.channels[0],))
    options = {"stride": g.stride, "padding": g.padding, "output_padding": g.remainder}
    result = ops.conv_transpose2d(y, W, **options)[0]
    assert result.shape == g.x_shape
    assert_gradients(lambda x, W, b: ops.conv_transpose2d(x, W, b, **options), y, W, b, linear=True)
