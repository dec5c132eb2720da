"""Layers, the flat store behind them, and Sequential."""

import copy

import numpy as np
import pytest

from minirmae import ops
from minirmae.layers import (
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Flatten,
    Layer,
    LeakyReLU,
    Linear,
    LinearStack,
    ReLU,
    Reshape,
    Sequential,
    Sigmoid,
    Tanh,
)
from minirmae.layers.parameters import Store


def rng():
    return np.random.default_rng(0)


def network(dtype=np.float64):
    g = rng()
    return Sequential(
        Conv2d(2, 3, (3, 2), stride=2, padding=(1, 0), rng=g, dtype=dtype),
        LeakyReLU(0.1),
        Sequential(Flatten(), Linear(18, 5, rng=g, dtype=dtype), ReLU(), LinearStack(5, 2, rng=g, dtype=dtype)),
        Linear(5, 12, rng=g, bias=False, dtype=dtype),
        Sigmoid(),
        Reshape((2, 2, 3)),
        ConvTranspose2d(3, 2, 3, stride=2, output_padding=1, rng=g, dtype=dtype),
        Tanh(),
    )


def test_parameters_are_views_of_one_vector_in_order():
    model = network()
    parameters = [p for _, p in model.named_parameters()]
    assert model.values.size == model.grads.size == sum(p.size for p in parameters)
    assert model.values.flags.c_contiguous
    np.testing.assert_array_equal(model.values, np.concatenate([p.value.ravel() for p in parameters]))
    for p in parameters:
        assert np.shares_memory(p.value, model.values)
        assert np.shares_memory(p.grad, model.grads)
    model.values[...] = 7
    assert all((p.value == 7).all() for p in parameters)


def test_a_child_sees_its_stretch_of_the_vector():
    model = network()
    inner = model.children["2"]
    inner.values[...] = 3
    inside = dict(model.named_parameters())
    assert (inside["2.1.W"].value == 3).all()
    assert (inside["2.3.W"].value == 3).all()
    assert (inside["0.W"].value != 3).all()
    assert inner.values.size == inside["2.1.W"].size + inside["2.1.b"].size + inside["2.3.W"].size


def test_gradients_add_up_and_two_forwards_can_be_in_flight():
    model = network()
    g = np.random.default_rng(1)
    a, b = g.normal(size=(2, 3, 6, 4, 2)), g.normal(size=(2, 1, 6, 4, 2))
    a, b = a[0], b[0]
    ya, back_a = model(a)
    yb, back_b = model(b)
    back_b(np.ones_like(yb))
    only_b = model.grads.copy()
    back_a(np.ones_like(ya))
    both = model.grads.copy()
    model.grads[...] = 0
    y, back = model(np.concatenate([a, b]))
    back(np.ones_like(y))
    np.testing.assert_allclose(both, model.grads, rtol=1e-12, atol=1e-14)
    assert not np.allclose(only_b, both)


def test_astype_is_an_independent_copy():
    model = network(np.float32)
    x = np.random.default_rng(2).normal(size=(2, 6, 4, 2)).astype(np.float32)
    clone = model.astype(np.float64)
    assert clone.dtype == np.float64
    assert not np.shares_memory(clone.values, model.values)
    y, backward = clone(x.astype(np.float64))
    np.testing.assert_allclose(y, model(x)[0], atol=1e-6)
    backward(np.ones_like(y))
    assert clone.grads.any()
    assert not model.grads.any()


def test_a_part_of_a_model_can_be_copied():
    g = rng()
    fixed = LinearStack(3, 1, rng=g, trainable=False)
    inner = Sequential(Linear(3, 3, rng=g), LinearStack(3, 2, rng=g, trainable=False))
    model = Sequential(Linear(3, 3, rng=g), fixed, inner)
    clone = inner.astype(np.float64)
    x = g.normal(size=(2, 3))
    np.testing.assert_allclose(clone(x)[0], inner(x.astype("f4"))[0], atol=1e-6)
    assert (clone.fixed.size, clone.values.size) == (18, 12)
    again = copy.deepcopy(model)
    again.values[...] = 0
    assert model.values.all()


def test_output_shapes_are_what_comes_out():
    model = network()
    x = np.zeros((1, 6, 4, 2))
    shape = x.shape[1:]
    for layer in model.children.values():
        x, _ = layer(x)
        shape = layer.output_shape(shape)
        assert x.shape[1:] == shape
    assert model.output_shape((6, 4, 2)) == shape


def test_fixed_layers_pass_gradients_on_but_keep_their_weights():
    stack = LinearStack(4, 3, rng=rng(), trainable=False, dtype=np.float64)
    x = rng().normal(size=(2, 4))
    y, backward = stack(x)
    np.testing.assert_allclose(backward(y), y @ stack.collapse().T, rtol=1e-12)
    assert stack.values.size == 0
    assert stack.fixed.size == 48
    with pytest.raises(ValueError, match="fixed and has no gradient"):
        _ = stack.parameters["W"].grad


def test_a_shared_weight_gets_the_sum_of_its_gradients():
    shared = LinearStack(3, 4, rng=rng(), shared=True, dtype=np.float64)
    W = shared.parameters["W"]
    assert W.shape == (1, 3, 3)
    free = LinearStack(3, 4, rng=rng(), dtype=np.float64)
    free.parameters["W"].value[...] = W.value
    x = rng().normal(size=(2, 3))
    for stack in (shared, free):
        y, backward = stack(x)
        backward(y)
    np.testing.assert_allclose(W.grad[0], free.parameters["W"].grad.sum(axis=0), rtol=1e-12)
    np.testing.assert_allclose(shared.collapse(), np.linalg.matrix_power(W.value[0], 4), rtol=1e-12)


def test_dropout_is_the_identity_without_an_rng():
    layer = Dropout(0.5)
    x = np.ones((50, 50))
    assert (layer(x)[0] == x).all()
    y, backward = layer(x, rng())
    assert set(np.unique(y)) == {0, 2}
    assert (backward(x) == y).all()
    with pytest.raises(ValueError, match=r"rate must be in \[0, 1\), got 1"):
        Dropout(1)


def test_a_layer_of_ones_own():
    class Scale(Layer):
        def __init__(self, features):
            super().__init__({"s": np.ones(features)})

        def __call__(self, x, rng=None):
            s = self.parameters["s"]

            def backward(dy):
                s.grad[...] += (dy * x).sum(axis=0)
                return dy * s.value

            return x * s.value, backward

    model = Sequential(Scale(3), Linear(3, 2, rng=rng(), dtype=np.float64))
    y, backward = model(np.ones((4, 3)))
    assert backward(np.ones_like(y)).shape == (4, 3)
    assert model.grads.all()


def test_an_empty_sequential_is_the_identity_and_a_copy():
    x = np.ones((2, 3))
    y, backward = Sequential()(x)
    assert (y == x).all()
    assert not np.shares_memory(x, y)
    assert (backward(y) == x).all()


def test_errors_name_the_layer():
    model = Sequential(Linear(3, 4, rng=rng()), ReLU(), Linear(5, 2, rng=rng()))
    with pytest.raises(ValueError, match=r"x has 4 inputs but W .* takes 5") as caught:
        model(np.zeros((1, 3), np.float32))
    assert "in layer 2 (Linear) of Sequential" in caught.value.__notes__


def test_bad_models_are_refused():
    layer = Linear(2, 2, rng=rng())
    with pytest.raises(ValueError, match="occurs twice"):
        Sequential(layer, ReLU(), layer)
    with pytest.raises(TypeError, match="share one dtype, got float32, float64"):
        Sequential(layer, Linear(2, 2, rng=rng(), dtype=np.float64))
    with pytest.raises(ValueError, match="outputs must be an integer of at least 1, got 0"):
        Linear(2, 0, rng=rng())
    with pytest.raises(ValueError, match="layers must be an integer of at least 0, got -1"):
        LinearStack(2, -1, rng=rng())
    with pytest.raises(NotImplementedError, match="Layer does not define __call__"):
        Layer()(np.zeros(1))


def test_ops_and_layers_agree():
    g = rng()
    layer = Conv2d(2, 3, 3, padding=1, rng=g, dtype=np.float64)
    x = g.normal(size=(1, 4, 4, 2))
    W, b = (p.value for p in layer.parameters.values())
    np.testing.assert_array_equal(layer(x)[0], ops.conv2d(x, W, b, padding=1)[0])


def test_cleared_gradients_are_zero_for_whoever_looks():
    rng = np.random.default_rng(0)
    model = Sequential(Linear(3, 2, rng=rng), Linear(2, 2, rng=rng))
    first, second = model.children.values()
    _, backward = model(rng.normal(size=(4, 3)).astype(np.float32))
    backward(np.ones((4, 2), np.float32))
    once = model.grads.copy()
    assert once.all()
    model.zero_grads()
    assert not first.parameters["W"].grad.any()
    assert first.parameters["W"].value.any()
    backward(np.ones((4, 2), np.float32))
    np.testing.assert_array_equal(model.grads, once)
    backward(np.ones((4, 2), np.float32))
    np.testing.assert_array_equal(model.grads, 2 * once)
    second.zero_grads()
    half = first.grads.size
    np.testing.assert_array_equal(model.grads, np.concatenate([2 * once[:half], 0 * once[half:]]))


def test_a_fixed_parameter_has_no_gradient():
    stack = LinearStack(3, 2, rng=np.random.default_rng(0), trainable=False)
    y, backward = stack(np.ones((1, 3), np.float32))
    backward(np.ones_like(y))
    with pytest.raises(ValueError, match="has no gradient"):
        assert stack.parameters["W"].grad is None


def test_a_model_can_move_to_other_vectors_and_back():
    model = Sequential(Linear(3, 2, rng=rng()), LinearStack(2, 2, rng=rng(), trainable=False))
    home, parameter = model.store, model.children["0"].parameters["W"]
    other = Store(home.values + 1, home.grads + 2, home.fixed + 3)
    model.attach(other)
    assert model.values.base is other.values or model.values is other.values
    np.testing.assert_array_equal(parameter.value, home.values[:6].reshape(3, 2) + 1)
    np.testing.assert_array_equal(parameter.grad, 2)
    np.testing.assert_array_equal(model.fixed, home.fixed + 3)
    model.attach(home)
    np.testing.assert_array_equal(parameter.value, home.values[:6].reshape(3, 2))
    with pytest.raises(ValueError, match="shares its vectors with a larger model"):
        model.children["0"].attach(other)


def test_some_layers_of_a_sequential_are_one_on_the_same_parameters():
    model = Sequential(Linear(3, 2, rng=rng()), ReLU(), Linear(2, 4, rng=rng()))
    x = np.ones((5, 3), np.float32)
    first, rest = model[:-1], model[-1:]
    np.testing.assert_array_equal(rest(first(x)[0])[0], model(x)[0])
    assert first.values.base is rest.values.base
    np.testing.assert_array_equal(np.concatenate([first.values, rest.values]), model.values)
    assert model[:0].values.size == 0
    np.testing.assert_array_equal(model[:0](x)[0], x)
    first.values[...] = 7
    assert (model.values[:8] == 7).all()


@pytest.mark.parametrize("size", [np.int64(3), np.int32(3), np.uint8(3)])
def test_sizes_may_be_numpys_integers(size):
    assert Linear(size, size, rng=rng())(np.ones((1, 3), np.float32))[0].shape == (1, 3)
    layer = Conv2d(1, 1, size, stride=size, padding=size, rng=rng())
    assert layer(np.ones((1, 6, 6, 1), np.float32))[0].shape == (1, *layer.output_shape((6, 6, 1)))
