"""Labels stay with their images, and are refused where a classifier could not learn them."""

import numpy as np
import pytest

from minirmae.data import ArrayDataset, DataError, Labelled, Subset

IMAGES = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 1), np.uint8)


def test_images_and_labels_are_chosen_together():
    data = Labelled(Subset(ArrayDataset(IMAGES, [4, 3, 2, 1, 0]), [3, 1, 0]), 5)
    batch = data.batch([2, 0], np.float64)
    assert len(data) == 3
    assert len(batch) == 2
    assert batch.labels.tolist() == [4, 1]
    np.testing.assert_array_equal(batch.images[:, 0, 0, 0] * 255, [0, 3])
    assert batch.images.dtype == np.float64
    assert (data.name, data.shape) == ("array", (2, 2, 1))


@pytest.mark.parametrize(
    "labels, message",
    [
        (None, "grey: has no labels, and a classifier needs one for each image"),
        ([0, 1, 2, 3, 5], r"grey: labels must lie in 0..4, got 0 to 5; .* --set classes=NUMBER"),
        ([0, 1, 2, 3, -1], r"grey: labels must lie in 0..4, got -1 to 3"),
    ],
)
def test_labels_that_cannot_be_learned(labels, message):
    with pytest.raises(DataError, match=message):
        Labelled(ArrayDataset(IMAGES, labels, "grey"), 5)
