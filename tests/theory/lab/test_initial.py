import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirmae.theory.lab.initial import aligned_factors, balanced_factors, lambda_balanced_factors, orthonormal_columns
from minirmae.theory.lab.networks import imbalance, product

seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(1, 6)


def low_rank(rng, outputs, inputs, rank):
    return rng.normal(size=(outputs, rank)) @ rng.normal(size=(rank, inputs))


@given(seeds, sizes, st.integers(0, 4))
def test_orthonormal_columns(seed, columns, extra):
    Q = orthonormal_columns(np.random.default_rng(seed), columns + extra, columns)
    np.testing.assert_allclose(Q.T @ Q, np.eye(columns), atol=1e-13)


def test_orthonormal_columns_without_a_generator_are_unit_vectors():
    assert (orthonormal_columns(None, 3, 2) == np.eye(3)[:, :2]).all()
    with pytest.raises(ValueError, match="3 orthonormal columns do not fit into 2 dimensions"):
        orthonormal_columns(None, 2, 3)


@settings(deadline=None)
@given(seeds, sizes, sizes, st.lists(sizes, max_size=3), st.booleans())
def test_balanced_factors_have_the_product_and_are_balanced(seed, inputs, outputs, hidden, random):
    rng = np.random.default_rng(seed)
    W = low_rank(rng, outputs, inputs, min([inputs, outputs, *hidden]))
    factors = balanced_factors(W, hidden, rng if random else None)
    assert [f.shape[0] for f in factors] == [*hidden, outputs]
    np.testing.assert_allclose(product(factors), W, atol=1e-12 * (1 + np.abs(W).max()))
    assert max((np.abs(D).max() for D in imbalance(factors)), default=0.0) < 1e-12 * (1 + np.abs(W).max())


@settings(deadline=None)
@given(seeds, sizes, sizes, sizes, st.floats(-3, 3))
def test_lambda_balanced_factors(seed, inputs, hidden, outputs, lam):
    if lam:
        hidden = min(hidden, outputs if lam > 0 else inputs)
    rng = np.random.default_rng(seed)
    W = low_rank(rng, outputs, inputs, min(inputs, hidden, outputs))
    factors = lambda_balanced_factors(W, lam, hidden, rng)
    scale = 1 + np.abs(W).max()
    np.testing.assert_allclose(product(factors), W, atol=1e-12 * scale)
    np.testing.assert_allclose(imbalance(factors)[0], lam * np.eye(hidden), atol=1e-12 * scale)


def test_aligned_factors_multiply_their_strengths_mode_by_mode():
    rng = np.random.default_rng(0)
    U, V = orthonormal_columns(rng, 4, 2), orthonormal_columns(rng, 3, 2)
    strengths = np.array([[1.0, -2.0], [3.0, 0.5], [-1.0, 4.0]])
    factors = aligned_factors(U, strengths, V, [5, 2], rng)
    assert [f.shape for f in factors] == [(5, 3), (2, 5), (4, 2)]
    np.testing.assert_allclose(product(factors), (U * [-3.0, -4.0]) @ V.T, atol=1e-14)
    assert np.abs(imbalance(factors)[0]).max() > 1


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: balanced_factors(np.eye(3), [2]), "bottleneck narrower than the product's rank 3"),
        (lambda: lambda_balanced_factors(np.eye(3), 0.0, 2), "bottleneck narrower than the product's rank 3"),
        (lambda: lambda_balanced_factors(np.ones((2, 4)), 1.0, 3), "hidden width of at most the number of outputs, 2"),
        (lambda: lambda_balanced_factors(np.ones((4, 2)), -1.0, 3), "hidden width of at most the number of inputs, 2"),
        (lambda: aligned_factors(np.eye(3), np.ones((2, 3)), np.eye(3), [2]), "bottleneck narrower than the 3 modes"),
        (lambda: aligned_factors(np.eye(3), np.ones((2, 3)), np.eye(3), []), "2 layers have 1 hidden widths, got 0"),
        (lambda: aligned_factors(2 * np.eye(3), np.ones((1, 3)), np.eye(3), []), "U must have 3 orthonormal columns"),
        (lambda: aligned_factors(np.eye(3), np.ones((1, 3)), np.eye(3, 2), []), "V must have 3 orthonormal columns"),
        (lambda: balanced_factors(np.ones(3), []), "product must have 2 axes"),
    ],
)
def test_what_cannot_be_built_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()
