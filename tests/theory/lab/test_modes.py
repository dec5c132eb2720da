import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirmae.theory.lab.initial import orthonormal_columns
from minirmae.theory.lab.modes import Modes, aligned_modes, mode_arguments, mode_coupling, mode_strengths, random_modes

seeds = st.integers(0, 2**32 - 1)


@settings(deadline=None)
@given(seeds, st.integers(1, 6), st.integers(1, 6))
def test_data_have_exactly_the_moments(seed, inputs, outputs):
    rng = np.random.default_rng(seed)
    modes = random_modes(rng, inputs, outputs)
    x, y = modes.data(rng, samples=9)
    np.testing.assert_allclose(x.T @ x / 9, modes.covariance, atol=1e-13)
    np.testing.assert_allclose(y.T @ x / 9, modes.correlation, atol=1e-13)
    assert (y**2).sum() / 9 == pytest.approx(modes.target_power, rel=1e-12)


def test_a_mode_without_variance_has_no_data():
    modes = Modes(np.eye(2), np.array([1.0, 0.0]), np.eye(2), np.array([1.0, 0.0]))
    with pytest.raises(ValueError, match="every lam must be positive"):
        modes.data(np.random.default_rng(0), 4)


@settings(deadline=None)
@given(seeds, st.integers(1, 6), st.integers(1, 6), st.booleans())
def test_aligned_modes_finds_the_modes_again(seed, inputs, outputs, degenerate):
    rng = np.random.default_rng(seed)
    modes = random_modes(rng, inputs, outputs)
    if degenerate:  # equal sigmas with different lam: a plain SVD would mix them
        modes = Modes(modes.U, np.ones_like(modes.sigma), modes.V, modes.lam)
    found = aligned_modes(modes.covariance, modes.correlation)
    np.testing.assert_allclose(found.sigma, modes.sigma, atol=1e-9)
    np.testing.assert_allclose(found.correlation, modes.correlation, atol=1e-9)
    np.testing.assert_allclose(found.covariance, modes.covariance, atol=1e-9)
    np.testing.assert_allclose(found.U.T @ found.U, np.eye(len(found.sigma)), atol=1e-9)


def test_aligned_modes_completes_a_correlation_of_low_rank():
    found = aligned_modes(np.diag([1.0, 2.0, 3.0]), np.diag([1.0, 0.0, 0.0]))
    assert found.sigma.tolist() == [1.0, 0.0, 0.0]
    np.testing.assert_allclose(found.U.T @ found.U, np.eye(3), atol=1e-14)
    np.testing.assert_allclose(found.covariance, np.diag([1.0, 2.0, 3.0]), atol=1e-14)


def test_a_covariance_that_does_not_commute_is_refused():
    rng = np.random.default_rng(0)
    basis = orthonormal_columns(rng, 3, 3)
    covariance = (basis * [1.0, 2.0, 3.0]) @ basis.T
    with pytest.raises(ValueError, match=r"Sxx must commute with Syx\^T Syx"):
        aligned_modes(covariance, np.diag([3.0, 2.0, 1.0]))
    aligned_modes(np.eye(3), rng.normal(size=(2, 3)))


def test_strengths_keep_sign_and_place_along_any_leading_axes():
    modes = random_modes(np.random.default_rng(1), 5, 3)
    s = np.array([[1.0, -2.0, 3.0], [-3.0, 2.0, 1.0]])
    W = (modes.U * s[:, None, :]) @ modes.V.T
    np.testing.assert_allclose(mode_strengths(modes.U, W, modes.V), s, atol=1e-14)
    assert mode_coupling(modes.U, W, modes.V) < 1e-14
    W = W + 0.5 * np.outer(modes.U[:, 0], modes.V[:, 2])
    assert mode_coupling(modes.U, W, modes.V) == pytest.approx(0.5)


def test_mode_arguments_put_time_first():
    times, (s0, sigma, lam) = mode_arguments("f", np.zeros((4, 2)), [1.0, 2.0], 1.0, 0.5)
    assert times.shape == (4, 2, 1)
    assert s0.shape == sigma.shape == lam.shape == (2,)


@pytest.mark.parametrize(
    "t, sigma, lam, message",
    [
        (-1.0, 1.0, 1.0, "f: t must be at least 0, got -1"),
        (1.0, [1.0, -2.0], 1.0, "f: sigma are singular values of Syx, at least 0; got -2"),
        (1.0, 1.0, -1.0, "f: lam are variances, at least 0"),
        (1.0, 1.0, 0.0, "f: lam are variances, at least 0, and positive where sigma is"),
        (np.nan, 1.0, 1.0, "f: times, starts, sigma and lam must be finite"),
        (1.0, np.inf, 1.0, "f: times, starts, sigma and lam must be finite"),
    ],
)
def test_mode_arguments_name_the_hypothesis(t, sigma, lam, message):
    with pytest.raises(ValueError, match=message):
        mode_arguments("f", t, sigma, lam)
