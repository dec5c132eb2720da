"""Tangent passes of layers and models: exact, second order included, and there for every layer."""

import inspect

import numpy as np
import pytest

from minirmae import layers
from minirmae.gradcheck import check
from minirmae.layers import (
    AvgPool2d,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Flatten,
    Layer,
    LeakyReLU,
    Linear,
    LinearStack,
    MaxPool2d,
    ReLU,
    Reshape,
    Sequential,
    Sigmoid,
    Tanh,
)
from minirmae.models.autoencoder import Autoencoder, ModelConfig, build
from minirmae.tangents.layers import chain, tangent, tangent_rule

STEP = 1e-20
GEOMETRY = {"stride": (2, 3), "padding": (1, 2)}
RNG_SEED = 4


def deep(rng):
    """A tiny autoencoder with every kind of layer."""
    encoder = Sequential(
        Conv2d(2, 3, (3, 4), rng=rng, **GEOMETRY), LeakyReLU(0.2), Flatten(), Dropout(0.2), Linear(27, 4, rng=rng)
    )
    decoder = Sequential(
        Linear(4, 27, rng=rng, bias=False),
        Sigmoid(),
        Reshape((3, 3, 3)),
        ReLU(),
        ConvTranspose2d(3, 2, (3, 4), rng=rng, **GEOMETRY, output_padding=(1, 0)),
        Tanh(),
    )
    return Autoencoder(encoder, LinearStack(4, 2, rng=rng), decoder)


CASES = {
    "Linear": (lambda rng: Linear(4, 5, rng=rng), (3, 4)),
    "Linear without bias": (lambda rng: Linear(4, 5, rng=rng, bias=False), (3, 4)),
    "LinearStack": (lambda rng: LinearStack(4, 3, rng=rng), (3, 4)),
    "LinearStack, shared": (lambda rng: LinearStack(4, 3, rng=rng, shared=True), (3, 4)),
    "LinearStack, fixed": (lambda rng: LinearStack(4, 3, rng=rng, trainable=False), (3, 4)),
    "LinearStack of none": (lambda rng: LinearStack(4, 0, rng=rng), (3, 4)),
    "Conv2d": (lambda rng: Conv2d(2, 3, (3, 4), rng=rng, **GEOMETRY), (2, 6, 8, 2)),
    "ConvTranspose2d": (
        lambda rng: ConvTranspose2d(3, 2, (3, 4), rng=rng, **GEOMETRY, output_padding=(1, 0)),
        (2, 3, 3, 3),
    ),
    "ReLU": (lambda rng: ReLU(), (3, 4)),
    "LeakyReLU": (lambda rng: LeakyReLU(0.2), (3, 4)),
    "Sigmoid": (lambda rng: Sigmoid(), (3, 4)),
    "Tanh": (lambda rng: Tanh(), (3, 4)),
    "Reshape": (lambda rng: Reshape((2, 4)), (3, 8)),
    "Flatten": (lambda rng: Flatten(), (3, 4, 2)),
    "Dropout": (lambda rng: Dropout(0.5), (3, 4)),
    "AvgPool2d": (lambda rng: AvgPool2d((2, 3)), (2, 6, 8, 2)),
    "MaxPool2d": (lambda rng: MaxPool2d((3, 2), (2, 3)), (2, 6, 8, 2)),
    "Sequential": (lambda rng: Sequential(Linear(4, 5, rng=rng), Tanh(), Linear(5, 2, rng=rng), Sigmoid()), (3, 4)),
    "Sequential of none": (lambda rng: Sequential(), (3, 4)),
    "Autoencoder": (deep, (2, 6, 8, 2)),
}
each = pytest.mark.parametrize("name", CASES)


def point(name, directions=()):
    """The layer in float64, random x and tx."""
    make, shape = CASES[name]
    rng = np.random.default_rng(0)
    layer = make(rng).astype(np.float64)
    return layer, rng.standard_normal(shape), rng.standard_normal((*directions, *shape))


def fresh():
    return np.random.default_rng(RNG_SEED)


def as_function(layer, layer_tangent=tangent):
    """Value and tangent of a layer as one array of one function of x, tx and the trainable parameters."""

    def function(x, tx, *arrays):
        copy = layer.astype(x.dtype)
        parameters = [p for _, p in copy.named_parameters() if p.trainable]
        for parameter, array in zip(parameters, arrays, strict=True):
            parameter.value[...] = array
        (y, ty), backward = layer_tangent(copy, x, tx, fresh())

        def pull(d):
            copy.grads[...] = 0
            dx, dtx = backward(d[: y.size].reshape(y.shape), d[y.size :].reshape(ty.shape))
            return dx, dtx, *(p.grad.copy() for p in parameters)

        return np.concatenate((y.ravel(), ty.ravel())), pull

    return function


def arguments(layer):
    named = [(name, p.value) for name, p in layer.named_parameters() if p.trainable]
    return ["x", "tx", *(name for name, _ in named)], [value for _, value in named]


@each
def test_the_tangent_is_the_complex_step_of_the_layer(name):
    layer, x, tx = point(name)
    (y, ty), _ = tangent(layer, x, tx, fresh())
    np.testing.assert_array_equal(y, layer(x, fresh())[0])
    stepped, _ = layer.astype(complex)(x + 1j * STEP * tx, fresh())
    assert np.linalg.norm(ty - stepped.imag / STEP) <= 1e-14 * np.linalg.norm(ty)


@each
@pytest.mark.parametrize("directions", [(), (2,)])
def test_its_backward_passes_the_checker(name, directions):
    layer, x, tx = point(name, directions)
    names, values = arguments(layer)
    report = check(as_function(layer), x, tx, *values, name=name, arguments=names).require()
    steps = [row for row in report.rows if row.rung in ("derivative", "second order")]
    assert all(row.method == "complex step" and row.error <= 1e-12 for row in steps)


@each
def test_jvp_and_vjp_are_adjoint(name):
    layer, x, tx = point(name)
    (y, ty), backward = tangent(layer, x, tx)
    v = np.random.default_rng(5).standard_normal(y.shape)
    dx = layer(x)[1](v)
    assert abs(np.vdot(ty, v) - np.vdot(tx, dx)) <= 1e-13 * np.linalg.norm(ty) * np.linalg.norm(v)
    assert np.linalg.norm(backward(0 * y, v)[1] - dx) <= 1e-13 * np.linalg.norm(dx)


@each
def test_the_backward_adds_to_what_is_there(name):
    layer, x, tx = point(name)
    values, backward = tangent(layer, x, tx)
    layer.grads[...] = 1
    backward(*values)
    once = layer.grads - 1
    backward(*values)
    np.testing.assert_allclose(layer.grads, 1 + 2 * once, rtol=1e-12, atol=1e-12)


def test_every_layer_has_a_tangent_pass():
    classes = {
        name
        for name, value in inspect.getmembers(layers, inspect.isclass)
        if issubclass(value, Layer) and value is not Layer
    }
    assert {"Linear", "Sequential"} <= classes <= set(CASES)


@pytest.mark.parametrize("preset", ["shapes", "mnist"])
def test_a_preset_moves_as_its_complex_step_says(preset):
    model = build(ModelConfig(preset, 8, 2), np.random.default_rng(0), np.float64)
    rng = np.random.default_rng(1)
    x = rng.random((1, 32, 32, 3 if preset == "shapes" else 1))
    tx = rng.standard_normal(x.shape)
    (_, ty), _ = tangent(model, x, tx)
    stepped, _ = model.astype(complex)(x + 1j * STEP * tx)
    assert np.linalg.norm(ty - stepped.imag / STEP) <= 1e-13 * np.linalg.norm(ty)


def test_a_chain_is_the_layers_one_after_the_other():
    model, x, tx = point("Autoencoder")
    (z, tz), _ = chain((model.encoder, model.bottleneck), x, tx)
    np.testing.assert_array_equal(z, model.encode(x))
    (y, ty), _ = tangent(model, x, tx)
    (again, moved), _ = tangent(model.decoder, z, tz)
    np.testing.assert_array_equal(again, y)
    np.testing.assert_array_equal(moved, ty)


def test_float32_stays_float32():
    layer, x, tx = point("Autoencoder", (2,))
    layer = layer.astype(np.float32)
    values, backward = tangent(layer, x.astype(np.float32), tx.astype(np.float32), fresh())
    assert {a.dtype for a in (*values, *backward(*values), layer.grads)} == {np.dtype(np.float32)}


def test_a_wrong_order_of_backwards_is_caught():
    """The mistake of a chain rule walked forwards, on layers whose shapes do not give it away."""

    def wrong(layer, x, tx, rng):
        backwards = []
        for child in layer.children.values():
            (x, tx), backward = tangent(child, x, tx)
            backwards.append(backward)

        def pull(dy, dty):
            for backward in backwards:
                dy, dty = backward(dy, dty)
            return dy, dty

        return (x, tx), pull

    rng = np.random.default_rng(0)
    layer = Sequential(Linear(3, 3, rng=rng), Tanh(), Linear(3, 3, rng=rng)).astype(np.float64)
    names, values = arguments(layer)
    x, tx = rng.standard_normal((2, 3)), rng.standard_normal((2, 3))
    assert check(as_function(layer), x, tx, *values, arguments=names).passed
    assert not check(as_function(layer, wrong), x, tx, *values, arguments=names).passed


class Square(Layer):
    def __call__(self, x, rng=None):
        return x * x, lambda dy: 2 * x * dy


class Doubled(Tanh):
    def __call__(self, x, rng=None):
        y, backward = super().__call__(x)
        return 2 * y, lambda dy: backward(2 * dy)


def test_a_layer_without_a_rule_is_named():
    x = np.ones((1, 2))
    with pytest.raises(TypeError, match=r"Square has no tangent rule of its own; write one with @minirmae\.tangent"):
        tangent(Square(), x, x)
    with pytest.raises(TypeError, match="Square has no"):
        tangent(Sequential(Tanh(), Square()), x, x)


def test_a_subclass_does_not_inherit_a_rule_that_is_not_its_own():
    x = np.ones((1, 2))
    with pytest.raises(TypeError, match="Doubled has no tangent rule of its own"):
        tangent(Doubled(), x, x)


def test_a_rule_of_ones_own_is_used():
    class Cube(Layer):
        def __call__(self, x, rng=None):
            return x**3, lambda dy: 3 * x**2 * dy

    @tangent_rule.register
    def _(layer: Cube, x, tx, rng=None):
        return (x**3, 3 * x**2 * tx), lambda dy, dty: (3 * x**2 * dy + 6 * x * tx * dty, 3 * x**2 * dty)

    rng = np.random.default_rng(0)
    layer = Sequential(Linear(2, 3, rng=rng), Cube()).astype(np.float64)
    names, values = arguments(layer)
    x, tx = rng.standard_normal((2, 2)), rng.standard_normal((2, 2))
    check(as_function(layer), x, tx, *values, arguments=names).require()


def test_directions_are_checked():
    x = np.ones((2, 3))
    with pytest.raises(ValueError, match=r"tangent: tx must have the shape of x, \(2, 3\)"):
        tangent(Tanh(), x, np.ones((2, 4)))
    with pytest.raises(TypeError, match="share one dtype"):
        tangent(Tanh(), x, x.astype(np.float32))
