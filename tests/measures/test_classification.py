"""The downstream protocol: the paper's head, what it learns, and the table over numbers of labels."""

import numpy as np
import pytest

from minirmae.layers import Dropout, Linear
from minirmae.measures import accuracy, accuracy_curve, classification_head, head_predictions, probe_predictions


def clusters(count, seed, classes=4):
    """Codes in clusters that do not touch, and their labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    return (4 * np.eye(classes, 8)[labels] + rng.normal(size=(count, 8)) / 4).astype(np.float32), labels + 2


def test_the_head_is_the_papers():
    head = classification_head(16, 10, np.random.default_rng(0))
    layers = list(head.children.values())
    assert [(x.parameters["W"].shape[0], x.outputs) for x in layers if isinstance(x, Linear)] == [
        (16, 128),
        (128, 128),
        (128, 10),
    ]
    assert [x.rate for x in layers if isinstance(x, Dropout)] == [0.5, 0.5]


@pytest.mark.parametrize("predictor", [probe_predictions, lambda *data: head_predictions(*data, epochs=60)])
def test_clusters_are_told_apart(predictor):
    train, test = clusters(120, 0), clusters(200, 1)
    curve = accuracy_curve(predictor, *train, *test, counts=(40, 120, 1000))
    assert curve == {40: 1.0, 120: 1.0}


def test_the_first_codes_are_taken():
    seen = []

    def predictor(codes, labels, test_codes):
        seen.append((codes[:, 0].tolist(), labels.tolist()))
        return np.full(len(test_codes), 1)

    codes = np.arange(4.0)[:, None]
    curve = accuracy_curve(predictor, codes, np.arange(4), np.zeros((2, 1)), np.array([1, 0]), counts=(1, 3))
    assert curve == {1: 0.5, 3: 0.5}
    assert seen == [([0.0], [0]), ([0.0, 1.0, 2.0], [0, 1, 2])]


def test_a_seed_repeats_and_labels_that_did_not_occur_are_not_predicted():
    codes, labels = clusters(30, 2)
    noise = np.random.default_rng(3).normal(size=(100, 8))
    first, again, other = (head_predictions(codes, labels, noise, epochs=5, seed=s) for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert set(first) <= set(labels)


def test_training_uses_every_code_and_the_labels():
    """Shuffled labels cannot be told from codes of other images."""
    codes, labels = clusters(200, 4)
    test, test_labels = clusters(200, 5)
    shuffled = np.random.default_rng(6).permutation(labels)
    assert accuracy(head_predictions(codes, shuffled, test, epochs=20), test_labels) < 0.6


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda x, c: head_predictions(x, c[:5], x), ValueError, "labels must hold one integer for each of"),
        (lambda x, c: head_predictions(x, c, x[:, :3]), ValueError, "codes are 8 wide, but test codes are 3 wide"),
        (lambda x, c: head_predictions(x, c, x, epochs=0), ValueError, "epochs"),
        (lambda x, c: head_predictions(x * np.nan, c, x), ValueError, "finite"),
        (lambda x, c: accuracy_curve(probe_predictions, x, c, x, c, counts=(0,)), ValueError, "count 0"),
        (lambda x, c: accuracy(c, c[:4]), ValueError, r"one integer for each of \d+ predictions, got shape \(4,\)"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call(*clusters(12, 7))
