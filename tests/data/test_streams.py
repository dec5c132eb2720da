"""No two uses of randomness share a stream."""

import itertools

import pytest

from minirmae.data.streams import _STREAMS, stream


def test_uses_and_numbers_give_different_streams():
    drawn = {(use, seed): stream(use, seed=seed).random() for use in _STREAMS for seed in (0, 1, 2**32, 2**70)}
    assert all(a != b for a, b in itertools.combinations(drawn.values(), 2))


def test_the_same_arguments_give_the_same_stream():
    assert stream("split", count=7).random() == stream("split", count=7).random()


@pytest.mark.parametrize("seed", [-1, 1.0, True, None])
def test_a_seed_must_be_a_natural_number(seed):
    with pytest.raises(ValueError, match="split: seed must be an integer of at least 0, got"):
        stream("split", seed=seed)
