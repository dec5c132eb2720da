"""Robust coding: the closed form against constructed, random and worked-out codes."""

import numpy as np
import pytest

from minirmae.objectives.robust_coding import (
    expected_error,
    optimal_decoder,
    optimal_encoder,
    optimal_error,
    signal_to_noise,
)


def covariance(D, seed=0):
    B = np.random.default_rng(seed).normal(size=(D, D))
    return B @ B.T


def best_error(S, W, snr):
    return expected_error(S, W, optimal_decoder(S, W, snr), snr)


@pytest.mark.parametrize("D, M, snr", [(4, 8, 3.0), (4, 4, 0.3), (6, 3, 10.0), (5, 7, 0.05), (3, 1, 1.0), (2, 50, 3.0)])
def test_the_constructed_code_has_the_error_of_the_closed_form_and_units_of_variance_1(D, M, snr):
    S = covariance(D)
    W = optimal_encoder(S, M, snr)
    assert W.shape == (D, M)
    np.testing.assert_allclose(np.diag(W.T @ S @ W), 1, rtol=1e-10)
    assert best_error(S, W, snr) == pytest.approx(optimal_error(np.linalg.eigvalsh(S), M, snr), rel=1e-11)


@pytest.mark.parametrize("D, M, snr", [(2, 2, 3.0), (3, 6, 1.0), (4, 2, 5.0), (3, 5, 0.1)])
def test_no_random_code_of_unit_variances_is_better(D, M, snr):
    S, rng = covariance(D), np.random.default_rng(1)
    least = optimal_error(np.linalg.eigvalsh(S), M, snr)
    best = optimal_encoder(S, M, snr)
    for spread in (0.01, 0.1, 10.0):
        for _ in range(100):
            W = best + spread * rng.normal(size=(D, M)) * np.abs(best).mean()
            W /= np.sqrt(np.diag(W.T @ S @ W))
            assert best_error(S, W, snr) >= least * (1 - 1e-12)


def test_white_data_are_repeated():
    for units in (5, 10, 40):
        assert optimal_error(np.full(5, 2.0), units, 3.0) == pytest.approx(10 / (1 + 3 * units / 5), rel=1e-14)


def test_a_weak_direction_is_given_up_at_little_capacity():
    variances = np.array([1.0, 100.0])
    # Two units at s = 1: 1 + s p = (2 + 2) sqrt(v) / 11 is below 1 for the weak one, which therefore gets nothing.
    assert optimal_error(variances, 2, 1.0) == pytest.approx(100 / 3 + 1, rel=1e-14)
    W = optimal_encoder(np.diag(variances), 2, 1.0)
    np.testing.assert_allclose(W[0], 0, atol=1e-15)
    # At s = 10 both are coded.
    assert optimal_error(variances, 2, 10.0) == pytest.approx(11**2 / (2 + 20), rel=1e-14)


def test_a_singular_covariance_is_coded_in_its_range():
    S = np.diag([4.0, 0.0, 1.0])
    W = optimal_encoder(S, 5, 3.0)
    assert np.isfinite(W).all()
    assert best_error(S, W, 3.0) == pytest.approx(9 / (2 + 15), rel=1e-12)


def test_the_decoder_is_the_best_and_the_error_that_of_samples():
    S, rng = covariance(3), np.random.default_rng(2)
    W = rng.normal(size=(3, 4))
    A = optimal_decoder(S, W, 2.0)
    least = expected_error(S, W, A, 2.0)
    assert all(expected_error(S, W, A + 1e-3 * rng.normal(size=A.shape), 2.0) > least for _ in range(20))
    assert least == pytest.approx(np.trace(np.linalg.inv(np.linalg.inv(S) + 2 * W @ W.T)), rel=1e-12)
    x = rng.multivariate_normal(np.zeros(3), S, size=200_000)
    x_hat = (x @ W + rng.normal(size=(len(x), 4)) / np.sqrt(2)) @ A
    assert ((x_hat - x) ** 2).sum(axis=1).mean() == pytest.approx(least, rel=0.02)


def test_bad_arguments_are_refused():
    assert signal_to_noise(0.5) == 1
    with pytest.raises(ValueError, match="bits must be positive, got 0"):
        signal_to_noise(0.0)
    with pytest.raises(ValueError, match="variances must be finite and at least 0"):
        optimal_error(np.array([1.0, -1.0]), 2, 1.0)
    with pytest.raises(ValueError, match="snr and some variance must be positive"):
        optimal_error(np.zeros(2), 2, 1.0)
    with pytest.raises(ValueError, match="units must be an integer of at least 1"):
        optimal_error(np.ones(2), 0, 1.0)
    with pytest.raises(ValueError, match=r"covariance must have shape \(2, 2\)"):
        optimal_encoder(np.ones((2, 3)), 2, 1.0)
    with pytest.raises(ValueError, match=r"W must have shape \(2, 4\)"):
        optimal_decoder(np.eye(2), np.ones((3, 4)), 1.0)
