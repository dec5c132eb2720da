import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from minirmae.theory import t01_two_layer as two_layer
from minirmae.theory.lab.integrator import integrate
from minirmae.theory.t01_two_layer import two_layer_half_time, two_layer_modes, two_layer_strengths

strengths = st.floats(-2, 2)
TIMES = np.linspace(0, 3, 7)


def verdicts(checks):
    return {check.name: check.passed for check in checks}


def test_every_check_passes_on_other_seeds_too():
    checks = two_layer.check(seed=11)
    assert len(checks) == 15
    assert all(check.passed for check in checks), checks
    assert len({check.seed for check in checks}) == 3
    assert sum(check.speedup is not None for check in checks) == 6


@settings(max_examples=60, deadline=None)
@given(strengths, strengths, st.floats(0, 2), st.floats(0.1, 2))
@example(1.0, -1.0, 1.0, 1.0)  # the stable manifold of the saddle
@example(1.0, 1.0, 1.0, 1.0)
@example(0.0, 0.0, 1.0, 1.0)
@example(1.0, 0.0, 0.0, 1.0)
@example(1.0, 1.0, 0.0, 1.0)
@example(0.5, 0.5 + 1e-9, 1.0, 1.0)
@example(1e-160, 1e-161, 0.0, 1.0)
def test_any_aligned_start_agrees_with_the_integrator(a0, b0, sigma, lam):
    def field(t, y):
        return y[::-1] * (sigma - lam * y[0] * y[1])

    exact = integrate(field, np.array([a0, b0]), TIMES).states
    a, b = two_layer_strengths(TIMES, a0, b0, sigma, lam)
    np.testing.assert_allclose(np.stack([a, b], axis=1), exact, atol=1e-9)
    np.testing.assert_allclose(a**2 - b**2, a0**2 - b0**2, atol=1e-12)


@pytest.mark.parametrize("exponent", [-23, -40])
def test_a_start_close_to_the_saddle_escapes_at_the_right_time(exponent):
    # In p = a + b and q = a - b the escape is well conditioned: p' = p (1 - ab), q' = -q (1 - ab), ab = (p^2 - q^2)/4.
    def field(t, y):
        return y * [1, -1] * (1 - (y[0] ** 2 - y[1] ** 2) / 4)

    p, q = 2.0**exponent, 2.0
    times = np.linspace(0, 60, 13)
    exact = integrate(field, np.array([p, q]), times, atol=1e-30).states
    a, b = two_layer_strengths(times, (p + q) / 2, (p - q) / 2, 1.0)
    np.testing.assert_allclose(a * b, (exact[:, 0] ** 2 - exact[:, 1] ** 2) / 4, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 4), st.floats(0, 2), st.floats(0.1, 2))
def test_a_balanced_start_agrees_with_the_integrator_and_with_the_general_form(s0, sigma, lam):
    closed = two_layer_modes(TIMES, s0, sigma, lam)
    exact = integrate(lambda t, s: 2 * s * (sigma - lam * s), np.array([s0]), TIMES).states[:, 0]
    np.testing.assert_allclose(closed, exact, atol=1e-9)
    a, b = two_layer_strengths(TIMES, np.sqrt(s0), np.sqrt(s0), sigma, lam)
    np.testing.assert_allclose(a * b, closed, rtol=1e-12, atol=1e-300)


def test_the_printed_formula():
    s0, sigma, lam = 1e-3, 1.5, 0.7
    printed = (sigma / lam) / (1 + (sigma / (lam * s0) - 1) * np.exp(-2 * sigma * TIMES))
    np.testing.assert_allclose(two_layer_modes(TIMES, s0, sigma, lam), printed, rtol=1e-13)


@pytest.mark.parametrize("s0", [1e-300, 1e-12, 1e-3, 0.4])
def test_half_time(s0):
    sigma, lam = np.array([0.5, 1.0, 2.0]), np.array([0.5, 1.0, 0.7])
    half_time = two_layer_half_time(s0, sigma, lam)
    reached = np.array(
        [two_layer_modes(t, s0, *p) for t, p in zip(half_time, zip(sigma, lam, strict=True), strict=True)]
    )
    np.testing.assert_allclose(reached, sigma / lam / 2, rtol=1e-11)


def test_times_come_first_and_modes_last():
    assert two_layer_modes(1.0, 0.1, 1.0).shape == ()
    assert two_layer_modes([0.0, 1.0], 0.1, 1.0).shape == (2,)
    assert two_layer_modes(np.zeros((4, 2)), [0.1, 0.2, 0.3], 1.0).shape == (4, 2, 3)
    assert two_layer_strengths([0.0, 1.0], [0.1, 0.2], 0.1, 1.0)[0].shape == (2, 2)


def test_limits_in_time():
    assert two_layer_modes(1e6, [0.0, 0.1, 5.0], 2.0, 4.0).tolist() == [0.0, 0.5, 0.5]
    a, b = two_layer_strengths(1e6, [0.0, 1.0], [0.0, -1.0], 2.0)
    np.testing.assert_allclose([a, b], 0, atol=1e-300)  # the saddle keeps what starts on its stable manifold


@pytest.mark.parametrize(
    "function, arguments, message",
    [
        (two_layer_modes, (1.0, -0.1, 1.0), "a balanced start has s0 = a.2 >= 0, got -0.1; see two_layer_strengths"),
        (two_layer_modes, (1.0, 0.1, -1.0), "two_layer_modes: sigma are singular values"),
        (two_layer_modes, (-1.0, 0.1, 1.0), "two_layer_modes: t must be at least 0"),
        (two_layer_strengths, (1.0, 0.1, 0.1, 1.0, -1.0), "two_layer_strengths: lam are variances"),
        (two_layer_half_time, (0.0, 1.0), "has no half time"),
        (two_layer_half_time, (0.6, 1.0), "has no half time"),
        (two_layer_half_time, (0.1, 0.0), "has no half time"),
    ],
)
def test_what_the_theorem_does_not_cover_is_refused(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments)


def test_a_wrong_time_unit_is_reported(monkeypatch):
    right = two_layer_modes
    monkeypatch.setattr(two_layer, "two_layer_modes", lambda t, s0, sigma, lam: right(t / 2, s0, sigma, lam))
    found = verdicts(two_layer.check(quick=True))
    assert not found["balanced modes"]
    assert not found["SGD: distance to flow, rate over half rate"]
    assert found["unbalanced modes"]


def test_an_unbalanced_start_is_reported_by_the_balanced_formula(monkeypatch):
    right = two_layer.flow_modes
    tilt = np.array([[1.1], [1 / 1.1]])  # the same product, another balance
    monkeypatch.setattr(two_layer, "flow_modes", lambda modes, strengths, *rest: right(modes, tilt * strengths, *rest))
    found = verdicts(two_layer.check(quick=True))
    assert not found["balanced modes"]
    assert not found["unbalanced modes"]
    assert found["modes stay apart"]


def test_modes_that_mix_are_reported(monkeypatch):
    from minirmae.theory.lab import simulation

    right = simulation.quadratic_loss
    rng = np.random.default_rng(0)
    tilt = np.cov(rng.normal(size=(4, 20)))
    monkeypatch.setattr(simulation, "quadratic_loss", lambda sxx, syx, power: right(tilt, syx, power))
    found = verdicts(two_layer.check(quick=True))
    assert not found["modes stay apart"]
    assert not found["balanced modes"]


def test_too_large_a_step_is_reported(monkeypatch):
    monkeypatch.setattr(two_layer, "RATE", 1.0)
    assert not verdicts(two_layer.check(quick=True))["SGD: distance to flow, rate over half rate"]


def test_the_figure_has_axes_with_names_lines_and_points():
    pytest.importorskip("matplotlib")
    drawing = two_layer.figure()
    assert len(drawing.axes) == 2
    for axis in drawing.axes:
        assert axis.get_xlabel().startswith("time t")
        assert axis.get_ylabel()
        assert {line.get_linestyle() != "None" for line in axis.lines} == {True, False}
