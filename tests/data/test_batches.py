"""The order of visiting: complete, reproducible and resumable."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirmae.data import batches, epoch_order, ordered_batches, steps_per_epoch

counts = st.integers(1, 200)


@given(count=counts, size=st.integers(1, 64), seed=st.integers(0, 2**80), epoch=st.integers(0, 10**6))
def test_an_epoch_visits_every_image_once_and_keeps_the_partial_batch(count, size, seed, epoch):
    parts = list(batches(count, size, seed=seed, epoch=epoch))
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(count))
    assert len(parts) == steps_per_epoch(count, size)
    assert [len(part) for part in parts[:-1]] == [size] * (len(parts) - 1)
    assert 1 <= len(parts[-1]) <= size


@given(count=counts, size=st.integers(1, 64), start=st.integers(0, 30))
def test_starting_later_goes_on_where_the_epoch_was_left(count, size, start):
    whole = list(batches(count, size, seed=1, epoch=2))
    rest = list(batches(count, size, seed=1, epoch=2, start=start))
    assert [part.tolist() for part in rest] == [part.tolist() for part in whole[start:]]


def test_seeds_and_epochs_give_different_orders():
    orders = {tuple(epoch_order(50, seed, epoch)) for seed in range(5) for epoch in range(5)}
    assert len(orders) == 25


def test_the_order_is_uniform_over_permutations():
    seen = {tuple(epoch_order(3, 0, epoch)) for epoch in range(100)}
    assert len(seen) == 6


@given(count=counts, size=st.integers(1, 64))
def test_ordered_batches_visit_in_order(count, size):
    assert np.concatenate(list(ordered_batches(count, size))).tolist() == list(range(count))


@pytest.mark.parametrize(
    "arguments",
    [
        {"count": 0},
        {"batch_size": 0},
        {"batch_size": 2.0},
        {"seed": -1},
        {"epoch": -1},
        {"start": -1},
        {"epoch": 1.5},
    ],
)
def test_bad_arguments_are_refused_before_the_first_batch(arguments):
    good = {"count": 10, "batch_size": 3, "seed": 0, "epoch": 0}
    with pytest.raises(ValueError, match=f"{next(iter(arguments))} must be an integer of at least"):
        batches(**(good | arguments))
