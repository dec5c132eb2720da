import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirmae.theory import t13_linear_autoencoder as linear_autoencoder
from minirmae.theory.lab.integrator import integrate
from minirmae.theory.t13_linear_autoencoder import (
    autoencoder_loss,
    autoencoder_modes,
    autoencoder_rank,
    autoencoder_times,
    layer_spectrum,
)

extra_layers = st.integers(0, 6)


def verdicts(checks):
    return {check.name: check.passed for check in checks}


@pytest.fixture
def flow_only(monkeypatch):
    """Only what `_check_flow` makes: the rest has tests of its own."""
    monkeypatch.setattr(linear_autoencoder, "check_landscape", lambda *_: [])
    monkeypatch.setattr(linear_autoencoder, "check_random_start", lambda *_: [])
    monkeypatch.setattr(
        linear_autoencoder, "_check_descent", lambda *_: linear_autoencoder.compare("-", 0, 0, 0, seed=0)
    )


def test_every_check_passes_on_another_seed_too():
    checks = linear_autoencoder.check(seed=11, quick=True)
    assert len(checks) == 16
    assert all(check.passed for check in checks), checks


def test_each_depth_has_a_seed_of_its_own_and_solves_its_flow(flow_only):
    checks = linear_autoencoder.check(seed=20)
    assert all(check.passed for check in checks), checks
    assert len({check.seed for check in checks if check.name == "modes"}) == 5
    assert {check.note[:5] for check in checks if check.name == "modes"} == {f"l = {l}" for l in range(5)}
    assert sum(check.speedup is not None for check in checks) == 5


def test_a_depth_can_be_chosen(flow_only):
    checks = linear_autoencoder.check(depth=3, quick=True)
    assert all(check.passed for check in checks), checks
    assert "l = 1" in checks[0].note
    with pytest.raises(ValueError, match="encoder, decoder and l extra layers"):
        linear_autoencoder.check(depth=1)


def test_a_wrong_exponent_is_reported(monkeypatch, flow_only):
    right = autoencoder_modes
    monkeypatch.setattr(linear_autoencoder, "autoencoder_modes", lambda t, s0, lam, l: right(t, s0, lam, l + 1))
    found = verdicts(linear_autoencoder.check(quick=True))
    assert not found["modes"]
    assert not found["loss"]
    assert not found["covariance spectrum of the code"]
    assert found["strength at the times predicted for 0.1, 0.5, 0.9"]


def test_a_rank_that_comes_too_early_is_reported(monkeypatch, flow_only):
    right = autoencoder_rank
    monkeypatch.setattr(linear_autoencoder, "autoencoder_rank", lambda t, *rest: right(1.2 * t, *rest))
    found = verdicts(linear_autoencoder.check(quick=True))
    assert not found["rank, singular values of W above 1/2"]
    assert found["modes"]


def test_an_unbalanced_start_is_reported(monkeypatch, flow_only):
    right = linear_autoencoder.flow_modes
    tilt = np.array([[1.5], [1 / 1.5]])
    monkeypatch.setattr(linear_autoencoder, "flow_modes", lambda modes, start, *rest: right(modes, tilt * start, *rest))
    found = verdicts(linear_autoencoder.check(quick=True))
    assert not found["modes"]
    assert not found["covariance spectrum of the code"]
    assert found["modes stay apart"]


def test_too_large_a_step_is_reported(monkeypatch):
    monkeypatch.setattr(linear_autoencoder, "check_landscape", lambda *_: [])
    monkeypatch.setattr(linear_autoencoder, "check_random_start", lambda *_: [])
    monkeypatch.setattr(linear_autoencoder, "RATE", 0.7)
    assert not verdicts(linear_autoencoder.check(quick=True))["SGD: distance to flow, rate over half rate"]


def test_the_figure_has_axes_with_names_lines_and_points():
    pytest.importorskip("matplotlib")
    drawing = linear_autoencoder.figure(depth=4)
    assert len(drawing.axes) == 3
    for axis in drawing.axes:
        assert axis.get_xlabel()
        assert axis.get_ylabel()
        assert {line.get_linestyle() != "None" for line in axis.lines} == {True, False}


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
        (autoencoder_times, (0.0, 1.0, 1), "a mode reaches no other strength"),
        (autoencoder_times, (0.1, 1.0, 1, 1.0), "a mode reaches no other strength"),
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
