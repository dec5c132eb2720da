"""Resizing agrees with Pillow, whose bilinear filter the paper's data went through."""

from importlib import import_module

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirmae.data import resize
from minirmae.data.resize import interpolation_matrix

# The package re-exports a function of the same name, which hides the module.
module = import_module("minirmae.data.resize")

sizes = st.integers(1, 40)


@given(target=sizes, source=sizes)
def test_rows_are_weights(target, source):
    matrix = interpolation_matrix(target, source)
    assert matrix.shape == (target, source)
    assert matrix.min() >= 0
    np.testing.assert_allclose(matrix.sum(axis=1), 1, rtol=1e-14)
    # Symmetric about the middle of the image: no shift to either side.
    np.testing.assert_allclose(matrix, matrix[::-1, ::-1], atol=1e-14)


@given(size=sizes)
def test_the_same_size_is_the_identity(size):
    assert np.array_equal(interpolation_matrix(size, size), np.eye(size))


@given(target=sizes, source=sizes)
def test_every_input_pixel_counts(target, source):
    assert interpolation_matrix(target, source).any(axis=0).all()


@pytest.mark.parametrize("size", [(28, 28, 32, 32), (9, 14, 30, 5), (20, 31, 7, 11), (3, 3, 1, 8)])
def test_floats_equal_pillow(size):
    image = pytest.importorskip("PIL.Image")
    height, width, new_height, new_width = size
    x = np.random.default_rng(1).random((2, height, width, 3)).astype(np.float32)
    y = resize(x, new_height, new_width)
    assert y.dtype == np.float32
    assert y.shape == (2, new_height, new_width, 3)
    for n in range(2):
        for c in range(3):
            expected = image.fromarray(x[n, :, :, c]).resize((new_width, new_height), image.Resampling.BILINEAR)
            np.testing.assert_allclose(y[n, :, :, c], np.asarray(expected), atol=1e-6)


def test_bytes_are_rounded_to_the_nearest_level():
    x = np.random.default_rng(2).integers(0, 256, (3, 28, 28, 1)).astype(np.uint8)
    y = resize(x, 32, 32)
    assert y.dtype == np.uint8
    assert np.abs(y - resize(x.astype(np.float64), 32, 32)).max() <= 0.5


def test_floats_stay_in_range():
    x = np.ones((1, 13, 13, 1), dtype=np.float32)
    for size in range(1, 50):
        assert np.array_equal(resize(x, size, size), np.ones((1, size, size, 1), dtype=np.float32))


def test_chunks_do_not_show(monkeypatch):
    x = np.random.default_rng(3).random((7, 5, 6, 2))
    whole = resize(x, 8, 4)
    monkeypatch.setattr(module, "VALUES_PER_CHUNK", 130)
    assert np.array_equal(resize(x, 8, 4), whole)


def test_the_right_size_is_returned_as_it_is():
    x = np.zeros((2, 8, 9, 1), dtype=np.uint8)
    assert resize(x, 8, 9) is x


def test_what_is_no_stack_of_images_is_refused():
    with pytest.raises(TypeError, match="uint8 or floating, got int64"):
        resize(np.zeros((1, 2, 2, 1), dtype=np.int64), 4, 4)
    with pytest.raises(ValueError, match="4 axes"):
        resize(np.zeros((2, 2, 1)), 4, 4)
    with pytest.raises(ValueError, match="height must be an integer of at least 1"):
        resize(np.zeros((1, 2, 2, 1)), 0, 4)
