import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirmae.theory.lab.spectral_margin import fourier_margin_gap, loss_shares, margin_shares, penalty_shares
from minirmae.theory.t10_linear_classifiers import planted_data


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6))
def test_shares_agree_exactly_where_the_stationarity_condition_holds(seed, depth):
    beta = np.random.default_rng(seed).normal(size=8)
    spectrum = np.fft.fft(beta)
    z = np.fft.ifft(abs(spectrum) ** (2 / depth - 2) * spectrum).real
    measured = margin_shares(beta, np.ones(1), 7 * z[None])
    np.testing.assert_allclose(measured, penalty_shares(beta, depth), atol=1e-12)
    assert abs(measured - penalty_shares(beta, depth + 1)).max() > 1e-4


def test_phases_that_disagree_add_up_to_more_than_one():
    beta, rng = np.zeros(8), np.random.default_rng(0)
    beta[0] = 1.0
    z = np.fft.irfft(np.exp(1j * np.r_[0.0, rng.uniform(-1, 1, 3), 0.0]), 8)  # the moduli of beta, other phases
    assert margin_shares(beta, np.ones(1), z[None]).sum() > 1.05


@pytest.mark.parametrize("seed", range(5))
def test_the_planted_classifier_has_no_gap_and_any_other_has_one(seed):
    rng = np.random.default_rng(seed)
    Z, beta = planted_data(rng)
    np.testing.assert_allclose(np.sort(Z @ beta)[:4], 1, atol=1e-12)
    assert (Z[4:] @ beta >= 2).all()
    alpha = np.r_[np.ones(4), np.zeros(4)]
    assert abs(fourier_margin_gap(beta, alpha, Z)) < 1e-12
    np.testing.assert_allclose(margin_shares(beta, alpha, Z), penalty_shares(beta, 2), atol=1e-12)
    for _ in range(5):
        other = beta + 0.1 * rng.normal(size=8)
        assert fourier_margin_gap(other, alpha, Z) > 1e-3


def test_the_gap_does_not_depend_on_scale():
    Z, beta = planted_data(np.random.default_rng(3))
    other, alpha = beta + 0.1, np.arange(8.0)
    assert fourier_margin_gap(3 * other, 5 * alpha, Z) == pytest.approx(fourier_margin_gap(other, alpha, Z))
    np.testing.assert_allclose(penalty_shares(1e150 * beta, 3), penalty_shares(beta, 3), atol=1e-9)


def test_loss_shares_are_the_softmax_of_minus_the_margins():
    Z = np.array([[1.0], [2.0], [4000.0]])
    np.testing.assert_allclose(loss_shares(np.ones(1), Z), np.array([1, np.exp(-1), 0]) / (1 + np.exp(-1)))


Z, BETA = planted_data(np.random.default_rng(0))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: fourier_margin_gap(BETA[:3], np.ones(8), Z), "beta must have shape"),
        (lambda: fourier_margin_gap(BETA, np.ones(3), Z), "multipliers must have shape"),
        (lambda: fourier_margin_gap(BETA, -np.ones(8), Z), "at least 0 and not all 0"),
        (lambda: margin_shares(BETA, np.zeros(8), Z), "at least 0 and not all 0"),
        (lambda: margin_shares(-BETA, np.ones(8), Z), "does not separate"),
        (lambda: margin_shares(BETA, np.ones(8), Z[0]), "2 axes"),
        (lambda: penalty_shares(BETA, 0), "depth must be an integer of at least 1"),
        (lambda: penalty_shares(0 * BETA, 2), "beta is zero"),
    ],
)
def test_what_is_no_classifier_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_classifier_that_separates_nothing_has_an_infinite_gap():
    assert fourier_margin_gap(-BETA, np.ones(8), Z) == np.inf
