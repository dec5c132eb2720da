"""Gradients that wait for their first write are zero for whoever looks."""

import numpy as np
import pytest

from minirmae.engines.cpu.gradients import LazyStore, add_gradient, claim
from minirmae.engines.cpu.rows import fused
from minirmae.layers import Conv2d, ConvTranspose2d, Linear, LinearStack, ReLU, Sequential


def lazy(model):
    store = LazyStore(model, model.store.values, model.store.grads, model.store.fixed)
    model.attach(store)
    return store


def test_whoever_looks_sees_zeros_and_whoever_adds_adds_to_zeros():
    model = Sequential(Linear(3, 2, rng=np.random.default_rng(0)), Linear(2, 2, rng=np.random.default_rng(1)))
    store = lazy(model)
    first, second = (layer.parameters["W"] for layer in model.children.values())
    store.vector[...] = np.nan
    store.clear()
    room = claim(first)
    assert np.isnan(room).all()
    assert claim(first) is None
    room[...] = 1
    add_gradient(second, np.full((2, 2), 3, np.float32))
    add_gradient(second, np.full((2, 2), 3, np.float32))
    np.testing.assert_array_equal(first.grad, 1)
    np.testing.assert_array_equal(second.grad, 6)
    assert not model.children["0"].parameters["b"].grad.any()
    assert model.grads.sum() == 6 + 24
    store.vector[...] = np.nan
    store.clear()
    first.grad[...] += 5
    assert claim(second) is None
    assert model.grads.sum() == 30


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda rng: Linear(3, 2, rng=rng), (3,)),
        (lambda rng: Conv2d(2, 3, 2, rng=rng), (3, 4, 2)),
        (lambda rng: ConvTranspose2d(2, 3, 2, rng=rng), (3, 4, 2)),
        (lambda rng: Conv2d(32, 4, 4, stride=2, padding=1, rng=rng), (4, 4, 32)),
        (lambda rng: LinearStack(3, 2, rng=rng), (3,)),
        (lambda rng: LinearStack(3, 2, rng=rng, shared=True), (3,)),
    ],
)
def test_the_first_gradient_is_written_and_the_next_is_added(layer, shape, monkeypatch):
    monkeypatch.setattr("minirmae.engines.cpu.patches.BLOCK", 1)
    rng = np.random.default_rng(0)
    model = Sequential(layer(rng), ReLU())
    y, backward = fused(model)(rng.normal(size=(5, *shape)).astype(np.float32))
    dy = rng.normal(size=y.shape).astype(np.float32)
    model.zero_grads()
    backward(dy)
    added = model.grads.copy()
    store = lazy(model)
    store.vector[...] = np.nan
    store.clear()
    backward(dy)
    np.testing.assert_array_equal(model.grads, added)
    backward(dy)
    np.testing.assert_array_equal(model.grads, 2 * added)
