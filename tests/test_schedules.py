"""Learning-rate schedules."""

import itertools

import pytest

from minirmae.schedules import constant, cosine, step_decay


def test_constant():
    assert [constant(0.3)(t) for t in (0, 1000)] == [0.3, 0.3]


def test_cosine_rises_once_and_falls_to_the_final_rate():
    schedule = cosine(2.0, steps=100, warmup=10, final=0.5)
    rates = [schedule(t) for t in range(120)]
    assert 0 < rates[0] < rates[9] < rates[10] == 2.0
    assert all(a > b for a, b in itertools.pairwise(rates[10:101]))
    assert rates[55] == pytest.approx(1.25)
    assert rates[100:] == [0.5] * 20


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="every must be an integer of at least 1, got 0"):
        step_decay(1.0, every=0, factor=0.5)
    with pytest.raises(ValueError, match="warmup must be at least 0 and less than the 5 steps, got 5"):
        cosine(1.0, steps=5, warmup=5)
