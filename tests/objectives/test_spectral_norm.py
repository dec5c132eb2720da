"""Spectral normalisation: the right sigma, exact gradients of first and second order."""

import numpy as np
import pytest

from minirmae.gradcheck import check, check_model
from minirmae.layers import Conv2d, ConvTranspose2d, Flatten, Linear, Sequential, Tanh
from minirmae.models.summary import summary
from minirmae.objectives.spectral_norm import SpectralNorm, normalised
from minirmae.tangents.layers import tangent

CASES = {
    "Linear": (lambda rng: Linear(4, 5, rng=rng), (3, 4)),
    "Linear without bias": (lambda rng: Linear(4, 5, rng=rng, bias=False), (3, 4)),
    "Conv2d": (lambda rng: Conv2d(2, 3, (2, 3), stride=(2, 1), padding=(1, 0), rng=rng), (2, 3, 4, 2)),
    "ConvTranspose2d": (lambda rng: ConvTranspose2d(3, 2, (3, 2), stride=2, padding=(1, 0), rng=rng), (2, 2, 3, 3)),
}
each = pytest.mark.parametrize("name", CASES)


def point(name):
    make, shape = CASES[name]
    rng = np.random.default_rng(0)
    layer = SpectralNorm(make(rng), rng=rng).astype(np.float64)
    return layer, rng.standard_normal(shape), rng.standard_normal(shape)


def kernel(layer):
    W = layer.layer.parameters["W"].value
    return W.reshape(-1, W.shape[-1])


@each
def test_power_iteration_finds_the_largest_singular_value(name):
    layer, _, _ = point(name)
    largest = np.linalg.svd(kernel(layer), compute_uv=False)[0]
    assert layer.sigma() == pytest.approx(largest, rel=0.1)
    for _ in range(500):
        layer.iterate()
    assert layer.sigma() == pytest.approx(largest, rel=1e-12)


@each
def test_the_value_is_that_of_the_divided_kernel(name):
    layer, x, _ = point(name)
    y, _ = layer(x)
    sigma = layer.sigma()
    layer.layer.parameters["W"].value[...] /= sigma
    np.testing.assert_allclose(y, layer.layer(x)[0], rtol=1e-12, atol=1e-14)


@each
def test_its_gradient_is_exact(name):
    layer, x, _ = point(name)
    report = check_model(layer, x, name=name).require()
    assert report.largest_error("derivative") <= 1e-12


@each
def test_its_tangent_pass_is_exact(name):
    layer, x, tx = point(name)
    values = [p.value.copy() for _, p in layer.named_parameters() if p.trainable]

    def function(x, tx, *arrays):
        copy = layer.astype(x.dtype)
        parameters = [p for _, p in copy.named_parameters() if p.trainable]
        for parameter, array in zip(parameters, arrays, strict=True):
            parameter.value[...] = array
        (y, ty), backward = tangent(copy, x, tx)

        def pull(d):
            copy.grads[...] = 0
            dx, dtx = backward(d[: y.size].reshape(y.shape), d[y.size :].reshape(y.shape))
            return dx, dtx, *(p.grad.copy() for p in parameters)

        return np.concatenate((y.ravel(), ty.ravel())), pull

    report = check(function, x, tx, *values).require()
    assert report.largest_error("derivative") <= 1e-12
    (_, ty), _ = tangent(layer, x, tx)
    stepped = layer.astype(complex)(x + 1e-20j * tx)[0]
    np.testing.assert_allclose(ty, stepped.imag / 1e-20, rtol=1e-12, atol=1e-13)


def test_at_the_singular_vectors_the_gradient_ignores_the_scale_of_the_kernel():
    """W / sigma does not change when W is scaled, so the gradient has no part along W."""
    layer, x, _ = point("Linear without bias")
    for _ in range(500):
        layer.iterate()
    y, backward = layer(x)
    backward(np.ones_like(y))
    W = layer.layer.parameters["W"]
    assert abs(np.vdot(W.grad, W.value)) <= 1e-12 * np.linalg.norm(W.grad) * np.linalg.norm(W.value)


def test_one_step_follows_a_moving_kernel():
    layer, _, _ = point("Linear")
    for _ in range(500):
        layer.iterate()
    before = layer.fixed.copy()
    layer.values[...] *= -2
    sigma = -layer.sigma()
    layer.iterate()
    assert layer.sigma() == pytest.approx(sigma, rel=1e-10)
    assert not np.array_equal(layer.fixed, before)
    for name in ("u", "v"):
        assert np.linalg.norm(layer.parameters[name].value) == pytest.approx(1, rel=1e-14)


def test_it_works_inside_a_model_of_one_vector():
    rng = np.random.default_rng(0)
    model = Sequential(
        SpectralNorm(Linear(4, 6, rng=rng), rng=rng), Tanh(), SpectralNorm(Linear(6, 3, rng=rng), rng=rng)
    )
    assert model.values.size == 4 * 6 + 6 + 6 * 3 + 3
    assert model.fixed.size == 4 + 6 + 6 + 3
    assert len(list(normalised(model))) == 2
    assert model.output_shape((4,)) == (3,)
    assert "0.layer Linear  6               30" in summary(model, (4,))
    y, backward = model(np.ones((2, 4), np.float32))
    assert y.dtype == backward(y).dtype == model.grads.dtype == np.float32


def test_a_layer_without_a_kernel_is_refused():
    with pytest.raises(TypeError, match="SpectralNorm: Flatten has no kernel W"):
        SpectralNorm(Flatten(), rng=np.random.default_rng(0))
