"""The loop is the plain algorithm, and where it goes on is a function of the optimiser's steps."""

import numpy as np
import pytest

from minirmae.data import ArrayDataset, batches
from minirmae.layers import Dropout, Flatten, Layer, Linear, Reshape, Sequential
from minirmae.objectives import reconstruction
from minirmae.ops import mean_squared_error
from minirmae.optimizers import SGD, Adam
from minirmae.runs import NonFiniteLoss, fit, training_steps
from minirmae.schedules import step_decay

DATA = ArrayDataset(np.random.default_rng(0).integers(0, 256, (10, 3, 3, 1), dtype=np.uint8))


def model(dtype=np.float64, dropout=0.0):
    rng = np.random.default_rng(1)
    layers = Linear(9, 2, rng=rng, dtype=dtype), Dropout(dropout), Linear(2, 9, rng=rng, dtype=dtype)
    return Sequential(Flatten(), *layers, Reshape((3, 3, 1)))


def test_fit_is_the_algorithm_written_out():
    trained, by_hand = model(), model()
    losses = fit(trained, DATA, SGD(0.5), steps=7, batch_size=4, seed=3)
    expected = []
    for epoch in range(3):
        for indices in batches(10, 4, seed=3, epoch=epoch):
            if len(expected) == 7:
                break
            x = DATA.batch(indices, np.float64)
            x_hat, backward = by_hand(x)
            loss, loss_backward = mean_squared_error(x_hat, x)
            by_hand.grads[...] = 0
            backward(loss_backward())
            by_hand.values[...] -= 0.5 * by_hand.grads
            expected.append(loss)
    np.testing.assert_array_equal(losses, expected)
    np.testing.assert_array_equal(trained.values, by_hand.values)


def test_steps_say_where_they_are():
    optimizer = SGD(step_decay(1.0, every=3, factor=0.5))
    steps = list(training_steps(model(), DATA, optimizer, steps=4, batch_size=4))
    assert [s.number for s in steps] == [1, 2, 3, 4]
    assert [s.epoch for s in steps] == [0, 0, 0, 1]
    assert [s.ends_epoch for s in steps] == [False, False, True, False]
    assert [s.images for s in steps] == [4, 4, 2, 4]
    assert [s.learning_rate for s in steps] == [1, 1, 1, 0.5]


@pytest.mark.parametrize("first", [0, 1, 3, 5])
def test_two_fits_in_a_row_are_one(first):
    whole, parts = model(dropout=0.3), model(dropout=0.3)
    losses = fit(whole, DATA, Adam(0.1), steps=8, batch_size=4, rng=np.random.default_rng(5))
    optimizer, rng = Adam(0.1), np.random.default_rng(5)
    pieces = [fit(parts, DATA, optimizer, steps=n, batch_size=4, rng=rng) for n in (first, 8 - first)]
    np.testing.assert_array_equal(losses, np.concatenate(pieces))
    np.testing.assert_array_equal(whole.values, parts.values)


def test_batches_have_the_models_dtype():
    seen = []

    def objective(network, x, rng):
        seen.append(x.dtype)
        return reconstruction(network, x, rng)

    fit(model(np.float32), DATA, SGD(0.1), steps=1, objective=objective)
    assert seen == [np.float32]


def test_the_noise_follows_the_seed():
    same = [fit(model(dropout=0.5), DATA, SGD(0.1), steps=2, batch_size=10, seed=4) for _ in range(2)]
    np.testing.assert_array_equal(*same)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_stops_before_the_update(bad):
    network = model()

    def objective(network, x, rng):
        loss, backward = reconstruction(network, x, rng)
        return (loss * bad if optimizer.steps == 2 else loss), backward

    optimizer = SGD(0.1)
    steps = training_steps(network, DATA, optimizer, steps=5, objective=objective)
    next(steps)
    next(steps)
    before = network.values.copy()
    with pytest.raises(NonFiniteLoss, match=rf"stopped at step 3: the loss is {bad} \(learning rate 0.1\). Lower"):
        next(steps)
    np.testing.assert_array_equal(network.values, before)


def test_a_gradient_that_is_not_finite_stops_before_the_update():
    class Broken(Layer):
        def __call__(self, x, rng=None):
            return x, lambda dy: dy * np.nan

    network = Sequential(*model().children.values(), Broken())
    before = network.values.copy()
    with pytest.raises(NonFiniteLoss, match=r"stopped at step 1: the loss is .*, but its gradient is not finite"):
        fit(network, DATA, SGD(0.1), steps=1)
    np.testing.assert_array_equal(network.values, before)


def test_divergence_gives_one_message_and_no_warnings():
    with pytest.raises(NonFiniteLoss, match="the loss is"):
        fit(model(np.float32), DATA, SGD(1e6), steps=100)


def test_steps_must_be_a_number():
    with pytest.raises(ValueError, match="steps must be an integer of at least 0, got -1"):
        fit(model(), DATA, SGD(0.1), steps=-1)
