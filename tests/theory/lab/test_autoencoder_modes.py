import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirmae.theory.lab.autoencoder_modes import (
    autoencoder_loss,
    autoencoder_modes,
    autoencoder_rank,
    autoencoder_times,
    layer_spectrum,
)
from minirmae.theory.lab.integrator import integrate

extra_layers = st.integers(0, 6)


@settings(max_examples=40, deadline=None)
@given(extra_layers, st.floats(1e-4, 2.0), st.floats(0.05, 2.0), st.floats(0.05, 2.0))
def test_any_start_and_variance_agree_with_the_integrator(l, s0, lam1, lam2):
    N, lam, times = l + 2, np.array([lam1, lam2]), np.linspace(0, 5, 6)
    exact = integrate(lambda t, s: N * lam * s ** (2 - 2 / N) * (1 - s), np.full(2, s0), times).states
    np.testing.assert_allclose(autoencoder_modes(times, s0, lam, l), exact, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(extra_layers, st.floats(1e-3, 0.05), st.floats(0.1, 5.0), st.floats(0.1, 0.99))
def test_one_curve_and_its_inverse(l, s0, lam, level):
    t = autoencoder_times(s0, lam, l, level)
    assert t * lam == pytest.approx(autoencoder_times(s0, 1.0, l, level), rel=1e-12)
    assert autoencoder_modes(t, s0, lam, l) == pytest.approx(level, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(extra_layers, st.floats(1e-3, 0.4), st.floats(0.0, 60.0))
def test_the_rank_counts_the_variances_above_tau_over_t(l, s0, t):
    lam = 2.0 ** -np.arange(6)
    expected = (lam * t > autoencoder_times(s0, 1.0, l)).sum()
    assert autoencoder_rank(t, s0, lam, l) == expected


def test_depth_neither_reorders_nor_spaces_but_delays_and_sharpens():
    lam = np.array([1.0, 0.4, 0.1])
    times = np.array([autoencoder_times(0.1 ** (l + 2), lam, l, [[0.1], [0.5], [0.9]]) for l in range(5)])
    np.testing.assert_allclose(times[:, 1] * lam / times[:, 1, :1], 1.0, rtol=1e-12)
    np.testing.assert_allclose(times[:, 1, 0], [2.30, 9.15, 49.7, 333, 2500], rtol=2e-3)
    sharpness = (times[:, 2, 0] - times[:, 0, 0]) / times[:, 1, 0]
    np.testing.assert_allclose(sharpness, [0.956, 0.220, 0.036, 0.0048, 0.0006], atol=5e-4)
    leading = [0.1**-l / l for l in range(1, 5)]  # 1 / (l a^l)
    np.testing.assert_allclose(times[1:, 1, 0], leading, rtol=0.1)


def test_every_mode_is_learned_in_the_end_whatever_the_depth():
    for l in range(7):
        assert autoencoder_rank(1e9, 1e-3, [1.0, 0.1, 0.01], l, level=0.999) == 3


def test_a_direction_without_variance_stays():
    assert autoencoder_modes([0.0, 1e3], 0.1, [1.0, 0.0], 3)[:, 1].tolist() == [0.1, 0.1]


def test_spectra_after_every_layer():
    s, lam = np.array([0.81, 0.0, 1.0]), np.array([3.0, 2.0, 1.0])
    np.testing.assert_allclose(layer_spectrum(s, lam, 2, layer=0), lam)
    np.testing.assert_allclose(layer_spectrum(s, lam, 2, layer=2), lam * s)
    np.testing.assert_allclose(layer_spectrum(s, lam, 2), lam * s**1.5)
    np.testing.assert_allclose(layer_spectrum(s, lam, 2, layer=4), lam * s**2)


def test_loss():
    assert autoencoder_loss([[0.0, 0.0], [1.0, 0.5], [-1.0, 1.0]], [2.0, 4.0]).tolist() == [3.0, 0.5, 4.0]


@pytest.mark.parametrize(
    "function, arguments, message",
    [
        (autoencoder_modes, (1.0, 0.1, 1.0, -1), "autoencoder_modes: extra_layers must be an integer of at least 0"),
        (autoencoder_modes, (1.0, 0.1, -1.0, 1), "at least 0"),
        (autoencoder_modes, (1.0, -0.1, 1.0, 1), "a balanced start"),
        (autoencoder_times, (0.0, 1.0, 1), "a mode never gets elsewhere"),
        (autoencoder_times, (0.1, 1.0, 1, 1.0), "a mode never gets elsewhere"),
        (autoencoder_rank, (-1.0, 0.1, [1.0], 1), "t must be at least 0"),
        (layer_spectrum, ([1.0], [1.0], 1, 4), "there are 3 layers, encoder and decoder included; got layer = 4"),
        (layer_spectrum, ([1.0], [1.0], 1, -1), "layer must be an integer of at least 0"),
        (layer_spectrum, ([-1.0], [1.0], 1), "at least 0"),
        (layer_spectrum, ([1.0], [-1.0], 1), "at least 0"),
    ],
)
def test_what_the_theorem_does_not_cover_is_refused(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments)
