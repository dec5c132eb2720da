"""A layer's values a batch at a time: those of one forward, and never more at once than asked for."""

import numpy as np
import pytest

from minirmae.layers import Layer, Linear
from minirmae.models.batched import in_batches

LAYER = Linear(4, 3, rng=np.random.default_rng(0), dtype=np.float64)
X = np.random.default_rng(1).random((7, 4))


@pytest.mark.parametrize("batch_size", [1, 3, 7, 8])
def test_the_values_are_those_of_one_forward(batch_size):
    values = in_batches(LAYER, X, batch_size)
    np.testing.assert_allclose(values, LAYER(X)[0], rtol=1e-14)
    assert values.dtype == X.dtype


def test_no_forward_sees_more_than_a_batch_and_every_input_is_seen_once():
    class Seen(Layer):
        def __call__(self, x, rng=None):
            sizes.append(len(x))
            return x, None

    sizes = []
    np.testing.assert_array_equal(in_batches(Seen(), X, 3), X)
    assert sizes == [3, 3, 1]


def test_nothing_in_nothing_out():
    assert in_batches(LAYER, X[:0], 3).shape == (0, 3)


def test_a_batch_of_none_is_refused():
    with pytest.raises(ValueError, match="batch_size must be an integer of at least 1, got 0"):
        in_batches(LAYER, X, 0)
