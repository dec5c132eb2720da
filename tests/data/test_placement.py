"""Images kept on a device are those of the data set, whatever it is; `tests/test_device.py` does it on a device."""

import numpy as np
import pytest

from minirmae.data import ArrayDataset, DeviceDataset, LabelledBatch, Subset, shapes, to_device


class Stream:
    """A data set that only hands out batches; `dtype` is what it says that it stores."""

    name, shape, labels = "stream", (32, 32, 3), None

    def __init__(self, dtype):
        self.dtype, self.data = np.dtype(dtype), shapes(5, seed=0)

    def __len__(self):
        return len(self.data)

    def batch(self, indices, dtype=np.float32):
        return self.data.batch(indices, dtype)


@pytest.mark.parametrize(
    ("dataset", "stored"),
    [
        (shapes(5, seed=0), np.uint8),
        (Subset(shapes(9, seed=0), range(7, 2, -1)), np.uint8),
        (ArrayDataset(np.random.default_rng(0).random((5, 4, 4, 1))), np.float64),
        (Stream(np.uint8), np.uint8),
        (Stream(np.float32), np.float32),
    ],
)
def test_its_batches_are_those_of_the_data_set(dataset, stored):
    there = DeviceDataset(dataset, "cpu")
    assert (there.dtype, len(there), there.name, there.shape) == (stored, 5, dataset.name, dataset.shape)
    for dtype in (np.float32, np.float64):
        found = there.batch([4, 0, 4], dtype)
        assert found.dtype == dtype
        np.testing.assert_allclose(found, dataset.batch([4, 0, 4], dtype), rtol=1e-6)


def test_indices_on_the_host_are_checked():
    with pytest.raises(IndexError, match=r"shapes/train: indices must lie in 0\.\.4"):
        DeviceDataset(shapes(5, seed=0), "cpu").batch([5])


def test_a_record_moves_with_all_its_arrays():
    batch = LabelledBatch(np.zeros((2, 4, 4, 1)), np.arange(2))
    moved = to_device(batch, "cpu")
    assert isinstance(moved, LabelledBatch)
    assert moved.images is batch.images
    with pytest.raises(ValueError, match="device must be cpu, cuda or cuda:N; got 'gpu'"):
        to_device(batch, "gpu")
