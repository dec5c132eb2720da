"""One step by several processes is one step by one, up to rounding, and the same bits every time."""

import os

import numpy as np
import pytest

from minirmae.engine import training_step
from minirmae.engines.cpu.step import TrainingStep
from minirmae.models.autoencoder import ModelConfig, build
from minirmae.objectives import reconstruction
from minirmae.optimizers import SGD, AdamW, Momentum
from minirmae.step import NonFiniteLoss

CONFIG = ModelConfig("shapes", 4, 2)
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork processes")


def train(workers, batches, optimizer, dtype=np.float64, objective=reconstruction):
    model = build(CONFIG, np.random.default_rng(0), dtype)
    with TrainingStep(model, objective, optimizer, workers) as step:
        losses = [step(x.astype(dtype), np.random.default_rng(1)) for x in batches]
    return losses, model


def batches(*sizes):
    rng = np.random.default_rng(2)
    return [rng.random((size, 32, 32, 3)) for size in sizes]


@needs_fork
@pytest.mark.parametrize("make", [lambda: AdamW(1e-3), lambda: Momentum(1e-2), lambda: SGD(1e-2)])
@pytest.mark.parametrize("workers", [2, 3])
def test_workers_take_the_same_steps(make, workers):
    """Uneven shares and a batch smaller than the team included."""
    images = batches(7, 6, 1)
    single, several = make(), make()
    losses, model = train(1, images, single)
    shared_losses, shared_model = train(workers, images, several)
    np.testing.assert_allclose(shared_losses, losses, rtol=1e-12)
    # Adam divides by the root of tiny second moments, which magnifies rounding.
    np.testing.assert_allclose(shared_model.values, model.values, rtol=1e-7, atol=1e-9)
    assert several.steps == single.steps == 3
    for name, moment in single.moments.items():
        np.testing.assert_allclose(several.moments[name], moment, rtol=1e-9, atol=1e-14)


@needs_fork
def test_the_same_number_of_workers_gives_the_same_bits():
    images = batches(16, 16)
    first, second = (train(2, images, AdamW(1e-3), np.float32) for _ in range(2))
    assert first[0] == second[0]
    np.testing.assert_array_equal(first[1].values, second[1].values)


@needs_fork
def test_each_worker_has_noise_of_its_own():
    seen = []

    def noisy(model, x, rng):
        seen.append(rng.random(3))
        return reconstruction(model, x + 0.1 * rng.random(x.shape), rng)

    (one,) = batches(1)
    # Two equal images: with equal noise both workers would have the loss of one alone.
    losses, _ = train(2, [np.concatenate([one, one])], SGD(0.0), objective=noisy)
    (mine,) = seen
    alone, _ = train(1, [one], SGD(0.0), objective=lambda m, x, rng: noisy(m, x, Fixed(mine, rng)))
    assert losses[0] != alone[0]


class Fixed:
    """A generator that starts where another one did."""

    def __init__(self, seen, rng):
        self.rng = rng

    def random(self, shape):
        return self.rng.random(shape)


@needs_fork
def test_no_update_by_a_gradient_that_is_not_finite():
    def infinite_for_the_second_worker(model, x, rng):
        loss, backward = reconstruction(model, x, rng)

        def spoiled():
            backward()
            if x[0, 0, 0, 0] == 2.0:
                model.grads[-1] = np.inf

        return loss, spoiled

    images = np.zeros((4, 32, 32, 3), dtype=np.float32)
    images[2:] = 2.0
    model = build(CONFIG, np.random.default_rng(0))
    with TrainingStep(model, infinite_for_the_second_worker, AdamW(1e-3), 2) as step:
        before = model.values.copy()
        with pytest.raises(NonFiniteLoss, match=r"step 1: the loss is .* but its gradient is not finite .*0\.001"):
            step(images, np.random.default_rng(0))
        np.testing.assert_array_equal(model.values, before)


@needs_fork
def test_a_workers_noise_begins_at_the_seed_of_its_rank():
    def noise(model, x, rng):
        return np.array(rng.random()), lambda: None

    model = build(CONFIG, np.random.default_rng(0))
    with TrainingStep(model, noise, SGD(0.1), 2) as step:
        loss = step(np.zeros((4, 32, 32, 3), np.float32), np.random.default_rng(5))
    seed = int(np.random.default_rng(5).integers(2**63))
    draws = [np.random.default_rng(seed + rank).random() for rank in range(2)]
    assert draws[0] != draws[1]
    assert loss == pytest.approx(np.mean(draws), rel=1e-12)


@needs_fork
def test_an_objective_that_moves_something_needs_one_worker():
    def moving(model, x, rng):
        loss, backward = reconstruction(model, x, rng)

        def backward_and_update():
            backward()
            return lambda: None

        return loss, backward_and_update

    with pytest.raises(ValueError, match="moves something that has no gradient, so it trains with 1 worker only"):
        train(2, batches(4), SGD(0.1), objective=moving)
    train(1, batches(4), SGD(0.1), objective=moving)


def test_large_finite_gradients_are_finite():
    def huge(model, x, rng):
        loss, backward = reconstruction(model, x, rng)

        def backward_and_scale():
            backward()
            model.grads[...] = 1e30

        return loss, backward_and_scale

    losses, _ = train(1, batches(2), SGD(0.0), np.float32, huge)
    assert np.isfinite(losses).all()


def test_a_part_of_a_model_cannot_be_trained_alone():
    model = build(CONFIG, np.random.default_rng(0))
    with pytest.raises(ValueError, match="shares its vectors with a larger model"):
        TrainingStep(model.encoder, reconstruction, SGD(0.1))


@needs_fork
@pytest.mark.parametrize("workers", [1, 2])
def test_views_taken_before_hold_afterwards(workers):
    model, optimizer = build(CONFIG, np.random.default_rng(0)), AdamW(1e-3)
    values, W, store = model.values, model.encoder.children["0"].parameters["W"].value, model.store
    (images,) = batches(4)
    with TrainingStep(model, reconstruction, optimizer, workers) as step:
        step(images.astype(np.float32), np.random.default_rng(1))
        trained = model.values.copy()
    assert model.store is store
    np.testing.assert_array_equal(values, trained)
    np.testing.assert_array_equal(W.ravel(), trained[: W.size])
    assert np.isfinite(model.grads).all()


def test_an_objective_may_look_at_gradients_and_add_to_them_before_the_model_does():
    def decayed(model, x, rng):
        loss, backward = reconstruction(model, x, rng)

        def backward_after_decay():
            assert not model.encoder.children["2"].parameters["b"].grad.any()
            for _, p in model.named_parameters():
                p.grad[...] += p.value
            backward()

        return loss, backward_after_decay

    def trained(engine):
        model = build(CONFIG, np.random.default_rng(0), np.float64)
        with training_step(model, decayed, SGD(0.1), engine=engine) as take:
            for x in batches(4, 4):
                take(x, np.random.default_rng(1))
        return model.values

    np.testing.assert_allclose(trained("fast"), trained("reference"), rtol=1e-10, atol=1e-12)
