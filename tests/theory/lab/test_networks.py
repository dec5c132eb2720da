import itertools

import numpy as np
import pytest

from minirmae.theory.lab.networks import (
    end_to_end,
    factors_of,
    imbalance,
    linear_network,
    product,
    quadratic_loss,
    regression,
)

SIZES = (3, 5, 2, 4)


@pytest.fixture
def factors():
    rng = np.random.default_rng(0)
    return [rng.normal(size=(outputs, inputs)) for inputs, outputs in itertools.pairwise(SIZES)]


@pytest.fixture
def samples():
    rng = np.random.default_rng(1)
    return rng.normal(size=(7, SIZES[0])), rng.normal(size=(7, SIZES[-1]))


def gradient(model, objective, x):
    model.grads[...] = 0
    loss, backward = objective(model, x, None)
    backward()
    return float(loss), model.grads.copy()


def test_the_network_applies_the_product_to_columns(factors, samples):
    x, _ = samples
    y, _ = linear_network(factors)(x)
    np.testing.assert_allclose(y.T, product(factors) @ x.T, rtol=1e-13)


def test_factors_survive_the_round_trip_alone_and_along_a_path(factors):
    model = linear_network(factors)
    for factor, back in zip(factors, factors_of(model), strict=True):
        assert (factor == back).all()
    path = np.stack([model.values, 2 * model.values])
    for factor, back in zip(factors, factors_of(model, path), strict=True):
        assert (back == np.stack([factor, 2 * factor])).all()
    np.testing.assert_allclose(product(factors_of(model, path))[1], 8 * product(factors), rtol=1e-14)


def test_factors_are_copies(factors):
    model = linear_network(factors)
    for factor in factors_of(model):
        factor[...] = 0
    assert (factors_of(model)[0] == factors[0]).all()


def test_the_network_owns_its_weights_and_keeps_the_dtype(factors):
    model = linear_network([factor.astype(np.float32) for factor in factors])
    assert model.dtype == np.float32
    model.values[...] = 0
    assert np.abs(factors[0]).min() > 0


def test_the_gradient_is_the_one_of_the_theory(factors, samples):
    # G_j = W_{N:j+1}^T G W_{j-1:1}^T, here written out for the middle layer of three.
    x, y = samples
    covariance, correlation = x.T @ x / 7, y.T @ x / 7
    loss = quadratic_loss(covariance, correlation, (y**2).sum() / 7)
    model = linear_network(factors)
    value, grads = gradient(model, end_to_end(loss), np.eye(SIZES[0]))
    W1, W2, W3 = factors
    G = product(factors) @ covariance - correlation
    np.testing.assert_allclose(factors_of(model, grads)[1], W3.T @ G @ W1.T, rtol=1e-12)
    assert value == pytest.approx(((y - x @ (W3 @ W2 @ W1).T) ** 2).sum() / 14, rel=1e-12)


def test_moments_and_samples_give_the_same_loss_and_gradient(factors, samples):
    x, y = samples
    loss = quadratic_loss(x.T @ x / 7, y.T @ x / 7, (y**2).sum() / 7)
    by_moments = gradient(linear_network(factors), end_to_end(loss), np.eye(SIZES[0]))
    by_samples = gradient(linear_network(factors), regression(y), x)
    assert by_moments[0] == pytest.approx(by_samples[0], rel=1e-12)
    np.testing.assert_allclose(by_moments[1], by_samples[1], rtol=1e-10, atol=1e-12)


def test_imbalance_is_the_difference_of_the_two_gram_matrices(factors):
    first, second = imbalance(factors)
    np.testing.assert_allclose(first, factors[1].T @ factors[1] - factors[0] @ factors[0].T)
    assert second.shape == (2, 2)
    assert imbalance(factors[:1]) == []


@pytest.mark.parametrize("function", [linear_network, product, imbalance])
def test_chains_that_do_not_fit_are_refused(function, factors):
    with pytest.raises(ValueError, match=r"depth N >= 1"):
        function([])
    with pytest.raises(ValueError, match=r"W_2 \(4, 2\) takes 2 inputs, but W_1 \(5, 3\) gives 5"):
        function([factors[0], factors[2]])
    with pytest.raises(TypeError, match="share one dtype"):
        function([factors[0], factors[1].astype(np.float32)])
    with pytest.raises(ValueError, match="W_1 must have 2 axes"):
        function([np.ones(3)])


def test_factors_of_another_model_are_refused():
    from minirmae.layers import Linear, Sequential

    model = Sequential(Linear(2, 2, rng=np.random.default_rng(0)))
    with pytest.raises(ValueError, match=r"0\.b is not the matrix of a linear layer"):
        factors_of(model)
