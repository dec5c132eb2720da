"""Evaluation images are never training images, in any run."""

import numpy as np
import pytest

from minirmae.data import split_indices


@pytest.mark.parametrize("count", [2, 3, 10, 101])
@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.5, 0.99])
def test_the_two_splits_partition_all_images_and_neither_is_empty(count, fraction):
    train = split_indices("x", count, "train", fraction)
    evaluation = split_indices("x", count, "evaluation", fraction)
    assert np.array_equal(np.sort(np.concatenate([train, evaluation])), np.arange(count))
    assert len(train)
    assert len(evaluation)
    assert np.all(np.diff(train) > 0)


def test_the_fraction_is_kept_and_the_choice_is_spread():
    evaluation = split_indices("x", 1000, "evaluation", 0.1)
    assert len(evaluation) == 100
    assert evaluation.min() < 100
    assert evaluation.max() > 900


def test_one_image_cannot_be_split():
    with pytest.raises(ValueError, match="photos: at least 2 images are needed"):
        split_indices("photos", 1, "train")


@pytest.mark.parametrize("fraction", [0, 1, -0.1, float("nan")])
def test_the_fraction_must_lie_between_0_and_1(fraction):
    with pytest.raises(ValueError, match="evaluation_fraction must lie between 0 and 1"):
        split_indices("x", 10, "train", fraction)


def test_the_split_must_be_known():
    with pytest.raises(ValueError, match="split must be one of train, evaluation; got 'test'"):
        split_indices("x", 10, "test")
