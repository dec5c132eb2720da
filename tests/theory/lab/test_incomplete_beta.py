import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirmae.theory.lab.incomplete_beta import beta_integral, beta_integral_inverse


def at(p, x):
    """The integral at q = x."""
    return beta_integral(p, np.log(x / (1 - x)))


x = np.linspace(0.01, 0.99, 99)


@pytest.mark.parametrize(
    "p, integral",
    [
        (-1.0, np.log(x / (1 - x)) - 1 / x),
        (-0.5, np.log((1 + np.sqrt(x)) / (1 - np.sqrt(x))) - 2 / np.sqrt(x)),
        (0.0, np.log(x / (1 - x))),
        (0.5, np.log((1 + np.sqrt(x)) / (1 - np.sqrt(x)))),
        (1.0, -np.log(1 - x)),
        (2.0, -np.log(1 - x) - x),
    ],
)
def test_powers_with_a_primitive_in_elementary_functions(p, integral):
    difference = at(p, x) - integral
    np.testing.assert_allclose(difference - difference[0], 0, atol=1e-12)


@pytest.mark.parametrize("depth", [3, 4, 5, 7, 12])
def test_logarithms_at_the_roots_of_unity(depth):
    # q = y^N: y^(2-N)/(2-N) - sum of w^2 ln(1 - y/w) / N over the roots of unity w, up to a constant and a factor N
    y = x ** (1 / depth)
    w = np.exp(2j * np.pi * np.arange(depth) / depth)
    logarithms = -(w**2 * np.log(1 - y[:, None] * w.conj())).sum(axis=1).real / depth
    difference = at(2 / depth - 1, x) - depth * (y ** (2 - depth) / (2 - depth) + logarithms)
    np.testing.assert_allclose(difference, difference[0], rtol=0, atol=1e-11)


@settings(max_examples=60, deadline=None)
@given(st.floats(-1, 0) | st.floats(1, 2), st.lists(st.floats(-60, 1000), min_size=1, max_size=5))
def test_the_inverse(p, logits):
    z = np.array(logits)
    np.testing.assert_allclose(beta_integral_inverse(p, beta_integral(p, z)), z, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("p", [-1.0, -0.4, 0.0, 1.3])
def test_the_slope_in_the_logit_is_the_power(p):
    z, h = np.linspace(-4, 4, 17), 1e-4
    slope = (beta_integral(p, z + h) - beta_integral(p, z - h)) / (2 * h)
    np.testing.assert_allclose(slope, (1 + np.exp(-z)) ** -p, rtol=1e-7)
