"""The way back without the gradient of the input, without memory that it does not need, and along with a ReLU."""

import weakref

import numpy as np
import pytest

from minirmae import ops
from minirmae.layers import Conv2d, ConvTranspose2d, Flatten, Linear, LinearStack, ReLU, Reshape, Sequential
from minirmae.layers.backward import SparingBackward, parameter_gradients
from minirmae.models.autoencoder import ModelConfig, build


def rng():
    return np.random.default_rng(0)


LAYERS = [
    (Conv2d(2, 3, 3, rng=rng(), dtype=np.float64), (4, 5, 5, 2)),
    (ConvTranspose2d(2, 3, 4, stride=2, padding=1, rng=rng(), dtype=np.float64), (4, 5, 5, 2)),
    (Linear(6, 3, rng=rng(), dtype=np.float64), (4, 6)),
    (Sequential(Sequential(Linear(6, 5, rng=rng(), dtype=np.float64)), ReLU()), (4, 6)),
    (Sequential(LinearStack(6, 2, rng=rng(), dtype=np.float64), Linear(6, 2, rng=rng(), dtype=np.float64)), (4, 6)),
    (build(ModelConfig("shapes", 4, 2), rng(), np.float64), (2, 32, 32, 3)),
]


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=lambda v: type(v).__name__)
def test_the_parameters_get_the_same_gradients(layer, shape):
    x = rng().normal(size=shape)
    y, backward = layer(x)
    dy = rng().normal(size=y.shape)
    layer.zero_grads()
    assert backward(dy).shape == x.shape
    expected = layer.grads.copy()
    assert abs(expected).max() > 0
    layer.zero_grads()
    assert parameter_gradients(backward, dy) is None
    np.testing.assert_allclose(layer.grads, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("layer", "shape"), LAYERS[:3], ids=lambda v: type(v).__name__)
def test_the_first_layers_input_gradient_is_not_computed(layer, shape):
    y, backward = Sequential(Sequential(layer), ReLU())(rng().normal(size=shape))
    assert isinstance(backward, SparingBackward)
    assert backward.run(np.ones_like(y), False) is None


def test_the_preset_does_not_compute_the_gradient_of_its_images():
    model = build(ModelConfig("shapes", 4, 2), rng())
    y, backward = model(np.ones((1, 32, 32, 3), np.float32))
    assert backward.run(np.ones_like(y), False) is None


def images(*shape):
    return rng().normal(size=shape)


@pytest.mark.parametrize(
    "op",
    [
        lambda: ops.conv2d(images(2, 4, 4, 2), images(3, 3, 2, 2)),
        lambda: ops.conv_transpose2d(images(2, 4, 4, 2), images(3, 3, 2, 2)),
        lambda: ops.linear(images(3, 4), images(4, 2)),
        lambda: ops.linear_stack(images(3, 4), images(2, 4, 4)),
        lambda: ops.dropout(images(3, 4), np.ones((3, 4), bool), 0.0),
        lambda: ops.reshape(images(3, 4), (2, 2)),
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


@pytest.mark.parametrize("batch", [0, 1, 5])
@pytest.mark.parametrize(
    ("op", "x", "W"),
    [
        (ops.conv2d, (8, 12, 2), (4, 4, 2, 3)),
        (ops.conv2d, (8, 12, 32), (4, 4, 32, 2)),  # by nine products
        (ops.conv_transpose2d, (4, 6, 2), (4, 4, 3, 2)),
        (ops.conv_transpose2d, (4, 6, 2), (4, 4, 32, 2)),  # by nine products
    ],
)
def test_a_convolution_with_its_relu_is_the_two_of_them(op, x, W, batch, monkeypatch):
    """Images are worked on one by one, and results are the same bits."""
    for limit in ("patches.BLOCK", "winograd.ENTRIES"):
        monkeypatch.setattr(f"minirmae.ops.{limit}", 1)
    x, W = images(batch, *x).astype("f4"), images(*W).astype("f4")
    b = images(W.shape[3 if op is ops.conv2d else 2]).astype("f4")
    y, backward = op(x, W, b, stride=2, padding=1, relu=True)
    before, conv_backward = op(x, W, b, stride=2, padding=1)
    after, relu_backward = ops.relu(before)
    np.testing.assert_array_equal(y, after)
    dy = images(*y.shape).astype("f4")
    for choice in (True, False):
        results = backward(dy, input_gradient=choice)
        expected = conv_backward(relu_backward(dy), input_gradient=choice)
        for result, value in zip(results[:2], expected[:2], strict=True):
            np.testing.assert_array_equal(result, value)
        # Summed image by image, the bias's gradient is another order of the same sum.
        np.testing.assert_allclose(results[2], expected[2], rtol=1e-4, atol=1e-4)


class Doubled(Conv2d):
    """A convolution with a call of its own."""

    def __call__(self, x, rng=None):
        y, backward = super().__call__(x, rng)
        return 2 * y, lambda dy: backward(2 * dy)


def one_by_one(model, x):
    backwards = []
    for layer in model.children.values():
        x, backward = layer(x)
        backwards.append(backward)

    def back(dy):
        for backward in reversed(backwards):
            dy = backward(dy)
        return dy

    return x, back


@pytest.mark.parametrize(
    "layers",
    [
        lambda g: [Conv2d(2, 3, 3, rng=g), ReLU(), ConvTranspose2d(3, 2, 3, rng=g), ReLU(), ReLU()],
        lambda g: [ReLU(), Conv2d(2, 3, 3, rng=g), Conv2d(3, 2, 3, rng=g), ReLU(), Flatten(), ReLU()],
        lambda g: [Doubled(2, 3, 3, rng=g), ReLU(), Conv2d(3, 1, 3, rng=g)],
        lambda g: [Reshape((8, 8, 1)), Conv2d(1, 2, 3, rng=g), ReLU(), Reshape((3, 24)), Flatten()],
    ],
)
def test_shortcuts_give_what_layers_one_by_one_give(layers):
    model = Sequential(*layers(rng())).astype(np.float64)
    x = images(4, *((4, 8, 2) if isinstance(model.children["0"], Reshape) else (8, 6, 2)))
    results = []
    for call in (model, lambda x: one_by_one(model, x)):
        y, backward = call(x)
        model.zero_grads()
        dx = backward(np.cos(np.arange(y.size)).reshape(y.shape))
        assert not np.shares_memory(y, x)
        assert not np.shares_memory(dx, y)
        results.append((y, dx, model.grads.copy()))
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_the_value_of_a_model_is_the_callers_to_change():
    model, x = Sequential(ReLU(), Flatten()), images(3, 4, 2)
    y, backward = model(x)
    expected = backward(np.ones_like(y))
    y[...] = -1
    np.testing.assert_array_equal(backward(np.ones_like(y)), expected)
