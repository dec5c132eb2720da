"""Update rules against their published formulas written out by hand, and their state."""

import numpy as np
import pytest

from minirmae.optimizers import SGD, Adam, AdamW, Momentum
from minirmae.schedules import step_decay

GRADIENTS = np.random.default_rng(0).normal(size=(5, 3))
START = np.array([1.0, -2.0, 3.0])


def run(optimizer, gradients=GRADIENTS, start=START):
    values = start.copy()
    for g in gradients:
        optimizer.step(values, g.copy())
    return values


def test_sgd():
    np.testing.assert_allclose(run(SGD(0.1)), START - 0.1 * GRADIENTS.sum(axis=0), rtol=1e-14)


def test_momentum():
    w, v = START.copy(), np.zeros(3)
    for g in GRADIENTS:
        v = 0.8 * v + g
        w = w - 0.1 * v
    np.testing.assert_allclose(run(Momentum(0.1, 0.8)), w, rtol=1e-14)


def adam_by_the_book(decay=0.0):
    w, m, v = START.copy(), np.zeros(3), np.zeros(3)
    for t, g in enumerate(GRADIENTS, start=1):
        w = w - 0.1 * decay * w
        m = 0.7 * m + 0.3 * g
        v = 0.9 * v + 0.1 * g**2
        w = w - 0.1 * (m / (1 - 0.7**t)) / (np.sqrt(v / (1 - 0.9**t)) + 1e-3)
    return w


def test_adam():
    np.testing.assert_allclose(run(Adam(0.1, 0.7, 0.9, 1e-3)), adam_by_the_book(), rtol=1e-13)


def test_adamw_decays_outside_the_moments():
    np.testing.assert_allclose(run(AdamW(0.1, 0.7, 0.9, 1e-3, weight_decay=0.5)), adam_by_the_book(0.5), rtol=1e-13)


def test_first_adam_step_is_the_learning_rate():
    moved = run(Adam(0.01), GRADIENTS[:1]) - START
    np.testing.assert_allclose(moved, -0.01 * np.sign(GRADIENTS[0]), rtol=1e-6)


def test_schedules_count_from_zero():
    moved = run(SGD(step_decay(1.0, every=2, factor=0.1)), np.ones((5, 3))) - START
    np.testing.assert_allclose(moved, -(1 + 1 + 0.1 + 0.1 + 0.01) * np.ones(3), rtol=1e-14)


@pytest.mark.parametrize("make", [lambda: SGD(0.1), lambda: Momentum(0.1), lambda: Adam(0.1), lambda: AdamW(0.1)])
def test_state_continues_bit_for_bit(make):
    whole = run(make())
    first, second = make(), make()
    values = run(first, GRADIENTS[:2])
    second.load_state_dict(first.state_dict())
    np.testing.assert_array_equal(run(second, GRADIENTS[2:], values), whole)
    fresh = make()
    fresh.load_state_dict(make().state_dict())
    np.testing.assert_array_equal(run(fresh), whole)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"learning_rate must be in \[0, inf\), got -1"):
        SGD(-1)
    with pytest.raises(ValueError, match="learning_rate"):
        Adam(float("nan"))
    with pytest.raises(ValueError, match=r"beta1 must be in \[0, 1\), got 1"):
        AdamW(beta1=1)
    with pytest.raises(ValueError, match=r"Momentum: momentum"):
        Momentum(0.1, 1.5)
    with pytest.raises(ValueError, match="saved by another optimiser"):
        Adam().load_state_dict({"steps": 3, "velocity": np.zeros(3)})
    with pytest.raises(ValueError, match=r"must have shape \(3,\), got \(2,\)"):
        SGD(0.1).step(np.zeros(3), np.zeros(2))
    adam = Adam()
    adam.step(np.zeros(2), np.zeros(2))
    with pytest.raises(ValueError, match="first_moment"):
        adam.step(np.zeros(3), np.zeros(3))
