"""A data set hands out floats in [0, 1] and refuses arrays that are no images."""

import numpy as np
import pytest

from minirmae.data import ArrayDataset, Subset
from minirmae.data import dataset as module


def levels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def test_bytes_are_divided_by_255_exactly_and_only_in_the_batch():
    images = levels(5, 4, 6, 3)
    data = ArrayDataset(images, labels=range(5))
    assert data.images is images
    batch = data.batch([3, 0, 3])
    assert batch.dtype == np.float32
    assert np.array_equal(batch, images[[3, 0, 3]].astype(np.float32) / np.float32(255))
    assert np.array_equal(data.batch(np.array([1]), dtype=np.float64), images[[1]] / 255.0)
    assert (len(data), data.shape, data.dtype) == (5, (4, 6, 3), np.uint8)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_keep_their_values(dtype):
    images = np.linspace(0, 1, 32, dtype=dtype).reshape(2, 4, 4, 1)
    assert np.array_equal(ArrayDataset(images).batch([1, 0]), images[::-1].astype(np.float32))


@pytest.mark.parametrize("images", [levels(3, 2, 2, 1), np.zeros((3, 2, 2, 1), dtype=np.float32)])
def test_a_batch_shares_no_memory_with_the_set(images):
    data = ArrayDataset(images)
    data.batch([0, 1])[...] = 1
    assert not np.shares_memory(data.batch(range(3)), images)
    assert np.array_equal(data.images, images)


def test_grey_images_without_channel_axis_gain_one():
    assert ArrayDataset(levels(3, 8, 9)).shape == (8, 9, 1)


@pytest.mark.parametrize("shape", [(8, 8), (2, 3, 4, 5, 6), (0, 8, 8, 1), (3, 0, 8, 1), (3, 8, 8, 0)])
def test_wrong_rank_and_empty_axes_are_refused(shape):
    with pytest.raises(ValueError, match=r"digits: images must have shape \(N, H, W, C\).*got"):
        ArrayDataset(np.zeros(shape, dtype=np.uint8), name="digits")


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint16", "bool", "complex64", "U1", "object"])
def test_other_dtypes_are_refused_with_advice(dtype):
    with pytest.raises(TypeError, match=rf"must be uint8 .* got {np.dtype(dtype)}; convert"):
        ArrayDataset(np.zeros((2, 3, 3, 1)).astype(dtype))


@pytest.mark.parametrize("chunk", [1, 1 << 22])
def test_nan_and_infinity_are_counted_and_located(monkeypatch, chunk):
    monkeypatch.setattr(module, "VALUES_PER_CHUNK", chunk)
    images = np.zeros((4, 3, 3, 2))
    images[2, 1, 0, 1] = np.nan
    images[3, 0, 0, 0] = -np.inf
    with pytest.raises(ValueError, match=r"2 of 72 values are NaN or infinite, the first at index \(2, 1, 0, 1\)"):
        ArrayDataset(images)


@pytest.mark.parametrize("value", [-1e-6, 1.0001, 255.0])
def test_floats_outside_the_unit_interval_are_refused(value):
    images = np.full((3, 2, 2, 1), 0.5)
    images[2, 1, 1, 0] = value
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\], got values from"):
        ArrayDataset(images)


def test_labels_must_be_one_integer_per_image():
    with pytest.raises(ValueError, match=r"one integer for each of 3 images, got shape \(2,\)"):
        ArrayDataset(levels(3, 2, 2), labels=[1, 2])
    with pytest.raises(TypeError, match="labels must be integers, got float64"):
        ArrayDataset(levels(3, 2, 2), labels=[1.0, 2.0, 3.0])


@pytest.mark.parametrize("indices", [[-1], [3], [0, 7]])
def test_indices_outside_are_refused(indices):
    with pytest.raises(IndexError, match=r"indices must lie in 0\.\.2"):
        ArrayDataset(levels(3, 2, 2)).batch(indices)


@pytest.mark.parametrize("indices", [[0.0], [True], 1, [[0, 1]]])
def test_indices_that_are_no_list_of_integers_are_refused(indices):
    with pytest.raises(TypeError, match="indices must be a list of integers"):
        ArrayDataset(levels(3, 2, 2)).batch(indices)


def test_an_empty_batch_has_the_shape_of_images():
    assert ArrayDataset(levels(3, 2, 2)).batch([]).shape == (0, 2, 2, 1)


def test_a_subset_is_the_chosen_images_in_the_chosen_order():
    data = ArrayDataset(levels(6, 2, 2), labels=[5, 4, 3, 2, 1, 0], name="whole")
    part = Subset(data, [4, 1, 3], name="part")
    assert (len(part), part.name, part.shape, part.dtype) == (3, "part", data.shape, np.uint8)
    assert part.labels.tolist() == [1, 4, 2]
    assert np.array_equal(part.batch([2, 0]), data.batch([3, 4]))
    with pytest.raises(IndexError):
        part.batch([3])
    with pytest.raises(IndexError):
        Subset(data, [6])
