"""Nine products give what sixteen give, and are taken where they pay."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nine_products import nine_products

from minirmae.engines.cpu.form import Form
from minirmae.engines.cpu.ops import make_form
from minirmae.engines.cpu.winograd import Winograd

pairs = st.tuples


def chosen(images, size, channels, kernel, stride, padding):
    return type(make_form(images, size, (*kernel, channels, 128), stride, padding))


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
                lambda f, x=x[:images], y=y[:images]: f.forward(x, W, c),
                lambda f, x=x[:images], y=y[:images]: f.forward(x, W),
                lambda f, x=x[:images], y=y[:images]: f.input_gradient(y, W, b),
                lambda f, x=x[:images], y=y[:images]: f.input_gradient(y, W),
                lambda f, x=x[:images], y=y[:images]: f.weight_gradient(x, y),
                lambda f, x=x[:images], y=y[:images]: f.forward_and_weight_gradient(x, W, y)[0],
                lambda f, x=x[:images], y=y[:images]: f.forward_and_weight_gradient(x, W, y)[1],
            ):
                np.testing.assert_allclose(maps(winograd), maps(form), rtol=1e-12, atol=1e-12)


def test_nine_products_in_single_precision_are_within_rounding_of_double():
    rng = np.random.default_rng(1)
    _, winograd, (x, W, y) = nine_products(rng, (16, 16), 64, 128)
    form, _, _ = nine_products(rng, (16, 16), 64, 128)
    lengths = (16 * 64, 4 * 128, 3 * 64)
    single = [v.astype("f4") for v in (x, W, y)]
    for maps, length in zip(
        (
            lambda f, x, W, y: f.forward(x, W),
            lambda f, x, W, y: f.input_gradient(y, W),
            lambda f, x, W, y: f.weight_gradient(x, y),
        ),
        lengths,
        strict=True,
    ):
        a, b = maps(winograd, *single), maps(form, x, W, y)
        assert a.dtype == np.float32
        assert abs(a - b).max() <= 8 * np.finfo(np.float32).eps * np.sqrt(length) * abs(b).max()


def test_nine_products_do_not_mind_the_strides_of_their_arguments():
    _, winograd, (x, W, y) = nine_products(np.random.default_rng(0), (8, 12), 2, 3)
    expected = (
        winograd.forward(x, W),
        winograd.input_gradient(y, W),
        winograd.weight_gradient(x, y),
        *winograd.forward_and_weight_gradient(x, W, y),
    )
    x, W, y = (np.asfortranarray(array) for array in (x, W, y))
    results = (
        winograd.forward(x, W),
        winograd.input_gradient(y, W),
        winograd.weight_gradient(x, y),
        *winograd.forward_and_weight_gradient(x, W, y),
    )
    for a, b in zip(results, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_nine_products_leave_no_memory_unwritten_that_they_add(monkeypatch):
    """What lay in new memory is never added, not even to entries that nobody reads: it could be anything, and warn."""
    rng = np.random.default_rng(0)
    form, winograd, (x, W, y) = nine_products(rng, (8, 12), 2, 3)
    expected = form.input_gradient(y, W), *form.forward_and_weight_gradient(x, W, y)
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
        results = winograd.input_gradient(y, W), *winograd.forward_and_weight_gradient(x, W, y)
    for a, b in zip(results, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_nine_products_are_for_large_layers_of_one_geometry():
    layer = {"kernel": (4, 4), "stride": (2, 2), "padding": (1, 1)}
    assert chosen(16, (16, 16), 64, **layer) is Winograd
    for images, size, channels, other in (
        (1, (16, 16), 64, {}),
        (16, (16, 16), 16, {}),
        (16, (16, 18), 64, {}),
        (16, (16, 16), 64, {"stride": (1, 1)}),
        (16, (16, 16), 64, {"padding": (0, 0)}),
        (16, (16, 16), 64, {"kernel": (3, 3)}),
    ):
        assert chosen(images, size, channels, **{**layer, **other}) is Form
