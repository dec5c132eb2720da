"""The way back without the gradient of the input, and without memory that it does not need."""

import weakref

import numpy as np
import pytest

from minirmae import ops
from minirmae.autoencoders import ModelConfig, build
from minirmae.backward import SparingBackward, parameter_gradients
from minirmae.layers import Conv2d, ConvTranspose2d, Linear, LinearStack, ReLU, Sequential


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
