"""Features: a classifier's where there are labels, principal components where there are none."""

import numpy as np
import pytest
from comparison_tiny import tiny_plan

from minirmae.comparison.features import classes, features_of, make_features, open_features
from minirmae.comparison.paths import Paths
from minirmae.data import ArrayDataset, shapes


def test_labels_that_can_be_told_apart_count():
    images = np.zeros((4, 16, 16, 1), np.uint8)
    assert classes(ArrayDataset(images)) is None
    assert classes(ArrayDataset(images, [0, 0, 0, 0])) is None
    assert classes(ArrayDataset(images, [-1, 0, 1, 1])) is None
    assert classes(ArrayDataset(images, [0, 4, 1, 1])) == 5
    assert classes(shapes(20, seed=0)) == 2


def test_the_classifier_is_trained_once(tmp_path):
    plan, paths = tiny_plan(), Paths(tmp_path)
    make_features(plan, paths)
    before = (paths.classifier / "checkpoint.npz").read_bytes()
    make_features(plan, paths)
    assert (paths.classifier / "checkpoint.npz").read_bytes() == before
    features = open_features(paths)
    data = shapes(7, seed=0)
    assert features_of(features, data, 5).shape == (5, 84)
    np.testing.assert_array_equal(features_of(features, data, 9), features(data.batch(range(7))))


def test_without_labels_principal_components_stand_in(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (400, 32, 32, 3), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    plan, paths = tiny_plan(data=str(tmp_path / "images.npy"), training_images=None), Paths(tmp_path)
    make_features(plan, paths)
    training, _ = plan.images(seed=0)
    x = training.batch(range(len(training)), np.float64)
    features = open_features(paths)(x)
    assert features.shape == (360, 64)
    # The variances of the features are the largest there are, and they are uncorrelated.
    covariance = np.cov(features.T)
    largest = np.linalg.svd(x.reshape(360, -1) - x.reshape(360, -1).mean(axis=0), compute_uv=False)[:64] ** 2 / 359
    np.testing.assert_allclose(covariance, np.diag(largest), atol=1e-9 * largest[0])
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-10)


def test_constant_images_have_no_component_and_say_so(tmp_path):
    np.save(tmp_path / "black.npy", np.zeros((400, 32, 32, 3), np.uint8))
    with pytest.raises(ValueError, match="images do not vary, so they have no principal components"):
        make_features(tiny_plan(data=str(tmp_path / "black.npy")), Paths(tmp_path))
