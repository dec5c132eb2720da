import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirmae.theory.lab.initial import aligned_factors
from minirmae.theory.lab.modes import random_modes
from minirmae.theory.lab.networks import linear_network, regression
from minirmae.theory.lab.sharpness import critical_rate, hessian_eigenvalues, measured_hessian


def hessian_of(factors, x, y):
    return measured_hessian(linear_network(factors), regression(y.astype(complex)), x)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(1, 3), st.integers(1, 3))
def test_any_balanced_minimum_has_the_predicted_hessian(seed, depth, inputs, outputs):
    rng = np.random.default_rng(seed)
    modes = random_modes(rng, inputs, outputs)
    s = modes.sigma / modes.lam
    x, y = modes.data(rng, 2 * inputs)
    factors = aligned_factors(modes.U, np.tile(s ** (1 / depth), (depth, 1)), modes.V, [3] * (depth - 1), rng)
    H = hessian_of(factors, x, y)
    np.testing.assert_allclose(H, H.T, atol=1e-10)
    rest = (0, max(inputs, outputs) - len(s))
    predicted = hessian_eigenvalues(np.pad(s, rest), depth, np.pad(modes.lam, rest))[:outputs, :inputs].ravel()
    found = np.linalg.eigvalsh(H)[::-1]
    np.testing.assert_allclose(found[: predicted.size], np.sort(predicted)[::-1], atol=1e-10)
    np.testing.assert_allclose(found[predicted.size :], 0, atol=1e-10)


def test_the_hessian_away_from_a_minimum():
    # L = (a b - 2)^2 / 2 at a = 3, b = 1: the second derivatives, by hand.
    one = np.ones((1, 1))
    H = hessian_of([1 * one, 3 * one], one, 2 * one)
    np.testing.assert_allclose(H, [[9, 4], [4, 1]], rtol=1e-14)


def test_the_largest_eigenvalue():
    s = np.array([3.0, 1.0, 0.2])
    for depth in (1, 2, 3, 7):
        assert hessian_eigenvalues(s, depth).max() == pytest.approx(depth * 3 ** (2 - 2 / depth))
        assert critical_rate(s, depth) == pytest.approx(2 / (depth * 3 ** (2 - 2 / depth)))
    # An autoencoder that has learned: every s is 1, and the sharpness N times the largest variance.
    assert hessian_eigenvalues(np.ones(3), 4, s).max() == pytest.approx(12)
    assert critical_rate(0.0, 3) == np.inf


def test_one_layer_sees_only_the_variances():
    np.testing.assert_allclose(hessian_eigenvalues([2.0, 0.0], 1, [0.5, 3.0]), [[0.5, 3.0], [0.5, 3.0]])


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((1.0, 0), "depth must be an integer of at least 1"),
        ((-1.0, 2), "singular values"),
        ((1.0, 2, -1.0), "all at least 0"),
    ],
)
def test_what_is_no_minimum_of_the_theorem_is_refused(arguments, message):
    for function in (hessian_eigenvalues, critical_rate):
        with pytest.raises(ValueError, match=message):
            function(*arguments)
