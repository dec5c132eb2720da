"""Convolution by windows: every way to compute the three derivatives of the form gives the same."""

import numpy as np
import pytest
from conv_geometries import geometries
from hypothesis import given
from hypothesis import strategies as st
from nine_products import nine_products

from minirmae.engines.cpu.form import Form
from minirmae.engines.cpu.patches import blocks


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
        return (
            form.forward(x, W),
            form.input_gradient(y, W),
            form.weight_gradient(x, y),
            *form.forward_and_weight_gradient(x, W, y),
        )

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


def test_a_kernels_gradient_is_written_where_it_is_wanted():
    for form in nine_products(np.random.default_rng(0), (8, 12), 2, 3)[:2]:
        x, W, y = nine_products(np.random.default_rng(0), (8, 12), 2, 3)[2]
        for images in (0, 3):
            expected, out = form.weight_gradient(x[:images], y[:images]), np.full_like(W, np.nan)
            assert form.weight_gradient(x[:images], y[:images], out) is out
            np.testing.assert_array_equal(out, expected)
            out[...] = np.nan
            assert form.forward_and_weight_gradient(x[:images], W, y[:images], out)[1] is out
            np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-12)
