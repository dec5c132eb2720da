"""A model computed by fused stages has the contract, the parameters and the numbers of the model itself."""

import weakref

import numpy as np
import pytest

from minirmae.engine import prepared
from minirmae.engines.cpu import ops as fast
from minirmae.engines.cpu.rows import DataGradient, Row, fused
from minirmae.layers import (
    Conv2d,
    ConvTranspose2d,
    Flatten,
    Layer,
    Linear,
    LinearStack,
    ReLU,
    Reshape,
    Sequential,
    Tanh,
)
from minirmae.models.autoencoder import ModelConfig, build
from minirmae.models.classifier import lenet
from minirmae.tangents import tangent


def rng():
    return np.random.default_rng(0)


def images(*shape):
    return rng().normal(size=shape)


class Doubled(Conv2d):
    """A convolution with a call of its own."""

    def __call__(self, x, rng=None):
        y, backward = super().__call__(x, rng)
        return 2 * y, lambda dy: backward(2 * dy)


class Residual(Layer):
    """A container with a call of its own."""

    def __init__(self, inner):
        super().__init__(children={"inner": inner})
        self.inner = inner

    def __call__(self, x, rng=None):
        y, backward = self.inner(x, rng)
        return x + y, lambda dy: dy + backward(dy)


ROWS = [
    lambda g: [Conv2d(2, 3, 3, rng=g), ReLU(), ConvTranspose2d(3, 2, 3, rng=g), ReLU(), ReLU()],
    lambda g: [ReLU(), Conv2d(2, 3, 3, rng=g), Conv2d(3, 2, 3, rng=g), ReLU(), Flatten(), ReLU()],
    lambda g: [Doubled(2, 3, 3, rng=g), ReLU(), Conv2d(3, 1, 3, rng=g)],
    lambda g: [Reshape((8, 12, 1)), Conv2d(1, 2, 3, rng=g), ReLU(), Reshape((6, 20)), Flatten()],
    lambda g: [
        Flatten(),
        Linear(96, 5, rng=g),
        ReLU(),
        Sequential(LinearStack(5, 3, rng=g), Linear(5, 2, rng=g), Tanh()),
    ],
    lambda g: [Flatten(), Linear(96, 5, bias=False, rng=g), Residual(Sequential(Linear(5, 5, rng=g), ReLU()))],
    lambda g: [Flatten(), Linear(96, 4, rng=g), LinearStack(4, 3, shared=True, rng=g)],
    lambda g: [Flatten(), Linear(96, 4, rng=g), LinearStack(4, 3, trainable=False, rng=g), LinearStack(4, 0, rng=g)],
    lambda g: [Sequential(), Conv2d(2, 1, (3, 1), stride=(2, 1), rng=g), Sequential(ReLU(), Tanh())],
    lambda g: [],
]


@pytest.mark.parametrize("layers", ROWS)
def test_a_row_is_its_layers_one_after_the_other(layers):
    model = Sequential(*layers(rng())).astype(np.float64)
    x = images(4, 8, 6, 2)
    results = []
    for call in (model, fused(model)):
        y, backward = call(x)
        model.zero_grads()
        dy = np.cos(np.arange(y.size)).reshape(y.shape)
        dy.flags.writeable = False
        dx = backward(dy)
        assert not np.shares_memory(y, x)
        assert not np.shares_memory(dx, y)
        assert not np.shares_memory(dx, dy)
        once = model.grads.copy()
        np.testing.assert_array_equal(backward(dy), dx)
        np.testing.assert_allclose(model.grads, 2 * once, rtol=1e-14)
        results.append((y, dx, once))
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_no_parameter_is_copied_and_the_model_is_not_changed():
    model = build(ModelConfig("mnist", 4, 2), rng())
    fast_model = prepared(model)
    assert type(model.encoder) is Sequential
    assert type(fast_model.encoder) is type(fast_model.decoder) is Row
    assert [name for name, _ in fast_model.named_parameters()] == [name for name, _ in model.named_parameters()]
    assert all(a is b for (_, a), (_, b) in zip(fast_model.named_parameters(), model.named_parameters(), strict=True))
    assert np.shares_memory(fast_model.values, model.values)
    assert np.shares_memory(fast_model.grads, model.grads)
    fast_model.values[...] *= 2
    x = images(2, 32, 32, 1).astype("f4")
    np.testing.assert_allclose(fast_model.encode(x), model.encode(x), rtol=1e-3, atol=1e-4)
    assert prepared(model, "reference") is model
    with pytest.raises(ValueError, match="engine must be one of fast, reference; got 'slow'"):
        prepared(model, "slow")


@pytest.mark.parametrize(
    "make", [lambda: build(ModelConfig("shapes", 4, 2), rng()), lambda: lenet((32, 32, 3), 4, rng())]
)
def test_training_does_not_compute_the_gradient_of_the_images_and_says_so(make):
    model = make()
    y, backward = fused(model, input_gradient=False)(np.ones((1, 32, 32, 3), np.float32))
    dx = backward(np.ones_like(y))
    assert isinstance(dx, DataGradient)
    for use in (lambda: np.asarray(dx), lambda: dx.sum(), lambda: np.ones(3) + dx, lambda: dx + np.ones(3)):
        with pytest.raises(TypeError, match="does not compute the gradient of the images"):
            use()


def test_the_decoder_without_its_last_layer_is_a_row_too():
    decoder = build(ModelConfig("shapes", 4, 0), rng(), np.float64).decoder
    row, z = fused(decoder), images(3, 4)
    part, part_backward = row[:-1](z)
    expected, expected_backward = decoder[:-1](z)
    assert type(row[:-1]) is Row
    np.testing.assert_allclose(part, expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(part_backward(np.cos(part)), expected_backward(np.cos(expected)), rtol=1e-12, atol=1e-12)


def test_tangents_go_through_the_engines_ops(monkeypatch):
    model = build(ModelConfig("shapes", 4, 2), rng(), np.float64)
    x, tx = images(2, 32, 32, 3), images(3, 2, 32, 32, 3)
    (y, ty), backward = tangent(model, x, tx)
    dx, dtx = backward(np.cos(y), np.sin(ty))
    expected = y, ty, dx, dtx, model.grads.copy()
    model.zero_grads()
    (y, ty), backward = tangent(fused(model), x, tx)
    dx, dtx = backward(np.cos(y), np.sin(ty))
    for a, b in zip((y, ty, dx, dtx, model.grads), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10 * abs(b).max())


def test_an_error_names_the_layer():
    row = fused(Sequential(Flatten(), Linear(5, 2, rng=rng())))
    with pytest.raises(ValueError, match="linear: x has 6 inputs but W") as caught:
        row(np.ones((1, 6), np.float32))
    assert "Linear" in "".join(caught.value.__notes__)


@pytest.mark.parametrize(
    "op",
    [
        lambda: fast.conv2d(images(2, 4, 4, 2), images(3, 3, 2, 2)),
        lambda: fast.conv_transpose2d(images(2, 4, 4, 2), images(3, 3, 2, 2)),
        lambda: fast.linear(images(3, 4), images(4, 2)),
        lambda: fast.linear_stack(images(3, 4), images(2, 4, 4)),
    ],
)
def test_a_linear_backward_does_not_hold_the_value(op):
    """A training step's memory is what the backwards keep; the value is kept only where it is needed."""
    y, backward = op()
    dy, alive = np.ones_like(y), weakref.ref(y)
    del y
    assert alive() is None
    backward(dy)
    with pytest.raises(ValueError, match="dy must have shape"):
        backward(dy[:-1])
    with pytest.raises(TypeError, match="must share one dtype, but y is float64 and dy is float32"):
        backward(dy.astype(np.float32))


@pytest.mark.parametrize(
    ("op", "W"),
    [
        (lambda W: fast.conv2d(images(2, 4, 4, 2), W), images(3, 3, 2, 2)),
        (lambda W: fast.conv_transpose2d(images(2, 4, 4, 2), W), images(3, 3, 2, 2)),
        (lambda W: fast.linear(images(3, 4), W), images(4, 2)),
        (lambda W: fast.linear_stack(images(3, 4), W), images(2, 4, 4)),
    ],
)
def test_memory_for_a_gradient_that_does_not_fit_is_refused(op, W):
    y, backward = op(W)
    out = np.full_like(W, np.nan)
    assert backward(y, out)[1] is out
    np.testing.assert_array_equal(out, backward(y)[1])
    for wrong in (np.asfortranarray(out), out[1:], out.astype("f4"), out[..., None]):
        with pytest.raises(ValueError, match="out must be contiguous, of shape"):
            backward(y, wrong)
