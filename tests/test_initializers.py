"""Initial weights: their distributions, and that a seed fixes them."""

import numpy as np
import pytest

from minirmae.initializers import glorot_uniform, he_normal, orthogonal, scaled, uniform_fan_in
from minirmae.layers import Conv2d, ConvTranspose2d, Linear, LinearStack


@pytest.mark.parametrize(
    "initializer, variance",
    [(uniform_fan_in, 1 / (3 * 50)), (he_normal, 2 / 50), (glorot_uniform, 2 / (50 + 200))],
)
def test_variance(initializer, variance):
    W = initializer(np.random.default_rng(0), (50, 200), 50, 200)
    assert W.var() == pytest.approx(variance, rel=0.05)
    assert abs(W.mean()) < 4 * np.sqrt(variance / W.size)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (2, 2, 3, 4)])
def test_orthogonal(shape):
    W = orthogonal(np.random.default_rng(0), shape, 1, 1).reshape(-1, shape[-1])
    gram = W.T @ W if W.shape[0] >= W.shape[1] else W @ W.T
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-14)


def test_orthogonal_has_no_preferred_sign():
    rng = np.random.default_rng(0)
    corners = [orthogonal(rng, (2, 2), 2, 2)[0, 0] for _ in range(400)]
    assert abs(np.mean(corners)) < 0.15


def test_scaled():
    half = scaled(he_normal, 0.5)(np.random.default_rng(0), (3, 3), 3, 3)
    np.testing.assert_array_equal(half, 0.5 * he_normal(np.random.default_rng(0), (3, 3), 3, 3))


@pytest.mark.parametrize(
    "build, fan_in",
    [
        (lambda rng: Linear(100, 50, rng=rng), 100),
        (lambda rng: LinearStack(100, 3, rng=rng), 100),
        (lambda rng: Conv2d(20, 30, (3, 2), rng=rng), 20 * 6),
        (lambda rng: ConvTranspose2d(20, 30, (3, 2), rng=rng), 30 * 6),
    ],
)
def test_default_scale_is_the_frameworks(build, fan_in):
    layer, again = build(np.random.default_rng(3)), build(np.random.default_rng(3))
    np.testing.assert_array_equal(layer.values, again.values)
    bound = 1 / np.sqrt(fan_in)
    assert 0.98 * bound < abs(layer.values).max() <= bound * (1 + 1e-6)
