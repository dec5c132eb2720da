import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from minirmae.theory import t02_deep_modes as module
from minirmae.theory.lab.integrator import integrate
from minirmae.theory.t01_two_layer import two_layer_half_time, two_layer_modes
from minirmae.theory.t02_deep_modes import deep_half_time, deep_mode_time, deep_modes

TIMES = np.linspace(0, 6, 7)
depths = st.integers(1, 12) | st.just(40) | st.just(math.inf)


def verdicts(checks):
    return {check.name: check.passed for check in checks}


def test_every_check_passes_on_other_seeds_too():
    checks = module.check(seed=23)
    assert len(checks) == 23
    assert all(check.passed for check in checks), checks
    assert len({check.seed for check in checks}) == 5
    assert sum(check.speedup is not None for check in checks) == 4


def test_a_depth_of_choice():
    checks = module.check(depth=7, quick=True)
    assert all(check.passed for check in checks), checks
    assert checks[0].note.startswith("depth 7")


@settings(max_examples=60, deadline=None)
@given(depths, st.floats(1e-4, 4), st.floats(0, 2), st.floats(0.1, 2))
@example(3, 2.0, 2.0, 1.0)  # at its target
@example(3, 4.0, 1e-9, 1.0)
@example(math.inf, 1.0, 0.0, 2.0)
@example(3, 1 - 1e-12, 1.0, 1.0)
@example(3, 1 + 1e-12, 1.0, 1.0)
def test_any_balanced_start_agrees_with_the_integrator(depth, s0, sigma, lam):
    layers = 1 if depth == math.inf else depth

    def field(t, s):
        return layers * np.maximum(s, 0) ** (2 - 2 / depth) * (sigma - lam * s)

    exact = integrate(field, np.array([s0]), TIMES).states[:, 0]
    np.testing.assert_allclose(deep_modes(TIMES, s0, sigma, lam, depth=depth), exact, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(depths, st.floats(1e-3, 0.999) | st.floats(1.001, 50), st.floats(0, 0.999), st.floats(0.1, 2), st.floats(0.1, 2))
def test_time_is_the_inverse_of_strength(depth, start, way, sigma, lam):
    target = sigma / lam
    s = target * (start + way * (1 - start))
    time = deep_mode_time(s, target * start, sigma, lam, depth=depth)
    np.testing.assert_allclose(deep_modes(time, target * start, sigma, lam, depth=depth), s, rtol=1e-9)


def test_depths_one_and_two_are_elementary():
    s0, sigma, lam = 0.03, 1.5, 0.7
    one = sigma / lam + (s0 - sigma / lam) * np.exp(-lam * TIMES)
    np.testing.assert_allclose(deep_modes(TIMES, s0, sigma, lam, depth=1), one, rtol=1e-13)
    two = two_layer_modes(TIMES, s0, sigma, lam)
    np.testing.assert_allclose(deep_modes(TIMES, s0, sigma, lam, depth=2), two, rtol=1e-13)
    # Times come from the series at every depth.
    np.testing.assert_allclose(deep_mode_time(one[1:], s0, sigma, lam, depth=1), TIMES[1:], atol=1e-12)
    np.testing.assert_allclose(deep_mode_time(two[1:], s0, sigma, lam, depth=2), TIMES[1:], atol=1e-12)
    np.testing.assert_allclose(deep_half_time(s0, sigma, lam, depth=2), two_layer_half_time(s0, sigma, lam), rtol=1e-12)


def test_the_printed_formulas_of_depths_three_and_four():
    s0, sigma, lam = 1e-3, 1.5, 0.7
    m = sigma / lam

    def three(x):
        root = np.sqrt(3)
        return -1 / x - np.log(1 - x) / 3 + np.log(1 + x + x**2) / 6 - np.arctan((2 * x + 1) / root) / root

    def four(x):
        return -1 / (2 * x**2) + np.arctanh(x**2) / 2

    s = m * np.array([0.01, 0.3, 0.5, 0.9])
    for depth, printed in ((3, three), (4, four)):
        time = m ** (2 / depth - 1) / sigma * (printed((s / m) ** (1 / depth)) - printed((s0 / m) ** (1 / depth)))
        np.testing.assert_allclose(deep_mode_time(s, s0, sigma, lam, depth=depth), time, rtol=1e-12)


def test_infinite_depth_by_the_lambert_equation():
    s0, sigma, lam = 0.05, 1.5, 0.7
    z0 = sigma / (lam * s0) - 1
    z = sigma / (lam * deep_modes(TIMES, s0, sigma, lam, depth=math.inf)) - 1
    np.testing.assert_allclose(z + np.log(z), z0 + np.log(z0) - TIMES * sigma**2 / lam, rtol=0, atol=1e-11)


@pytest.mark.parametrize("depth", [3, 4, 6])
def test_the_half_time_of_a_small_start_does_not_depend_on_the_variance(depth):
    s0, sigma = 1e-9, 1.3
    lead = s0 ** (2 / depth - 1) / ((depth - 2) * sigma)
    half_times = deep_half_time(s0, sigma, np.array([0.5, 1.0, 2.0]), depth=depth)
    np.testing.assert_allclose(half_times, lead, rtol=2e-3)


def test_times_come_first_and_modes_last():
    assert deep_modes(1.0, 0.1, 1.0, depth=3).shape == ()
    assert deep_modes([0.0, 1.0], 0.1, 1.0, depth=3).shape == (2,)
    assert deep_modes(np.zeros((4, 2)), [0.1, 2.0, 0.0], [1.0, 1.0, 0.0], depth=3).shape == (4, 2, 3)
    assert deep_mode_time([[0.2], [0.3]], [0.1, 0.15], 1.0, depth=3).shape == (2, 2)


def test_limits_in_time_and_strength():
    late = deep_modes(1e6, [0.0, 1e-200, 0.1, 0.5, 5.0], 2.0, 4.0, depth=3)
    np.testing.assert_allclose(late, [0.0, 1e-200, 0.5, 0.5, 0.5], rtol=1e-15)
    np.testing.assert_allclose(
        deep_modes(0.0, [1e-9, 0.3, 0.499999], 2.0, 4.0, depth=5), [1e-9, 0.3, 0.499999], rtol=1e-13
    )
    assert deep_modes(0.7, 3.0, 0.0, 0.0, depth=4) == 3.0


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: deep_modes(1.0, 0.1, 1.0, depth=0), "deep_modes: depth must be an integer of at least 1, got 0"),
        (lambda: deep_modes(1.0, 0.1, 1.0, depth=2.5), "deep_modes: depth must be an integer"),
        (
            lambda: deep_modes(1.0, -0.1, 1.0, depth=3),
            "deep_modes: a balanced start has s0 = a.N with a >= 0, got -0.1",
        ),
        (lambda: deep_modes(1.0, 0.1, -1.0, depth=3), "deep_modes: sigma are singular values"),
        (lambda: deep_modes(-1.0, 0.1, 1.0, depth=3), "deep_modes: t must be at least 0"),
        (lambda: deep_mode_time(0.05, 0.1, 1.0, depth=3), "a mode reaches no other strength"),
        (lambda: deep_mode_time(1.0, 0.1, 1.0, depth=3), "a mode reaches no other strength"),
        (lambda: deep_mode_time(0.5, 0.1, math.nan, depth=3), "a mode reaches no other strength"),
        (lambda: deep_half_time(0.0, 1.0, depth=3), "deep_mode_time: expected s0, sigma, lam > 0"),
        (lambda: deep_half_time(0.7, 1.0, depth=3), "a mode reaches no other strength"),
        (lambda: deep_half_time(0.1, 1.0, depth=-1), "depth must be an integer of at least 1, got -1"),
    ],
)
def test_what_the_theorem_does_not_cover_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_wrong_exponent_is_reported(monkeypatch):
    right = module.deep_modes
    monkeypatch.setattr(module, "deep_modes", lambda *args, depth: right(*args, depth=depth + 1))
    found = verdicts(module.check(quick=True))
    assert not found["modes of the flow"]
    assert not found["SGD: distance to flow, rate over half rate"]
    assert found["modes stay apart"]


def test_a_wrong_half_time_is_reported(monkeypatch):
    right = module.deep_half_time
    monkeypatch.setattr(module, "deep_half_time", lambda *args, **depth: 1.01 * right(*args, **depth))
    assert not verdicts(module.check(quick=True))["strength at the half time"]


def test_an_unbalanced_start_is_reported(monkeypatch):
    right = module.flow_modes
    tilt = np.array([[1.1], [1.0], [1 / 1.1]])  # the same product, another balance
    monkeypatch.setattr(module, "flow_modes", lambda modes, strengths, *rest: right(modes, tilt * strengths, *rest))
    found = verdicts(module.check(quick=True))
    assert not found["modes of the flow"]
    assert not found["strength at the half time"]
    assert found["modes stay apart"]


def test_too_large_a_step_is_reported(monkeypatch):
    monkeypatch.setattr(module, "RATE", 2.0)
    assert not verdicts(module.check(quick=True))["SGD: distance to flow, rate over half rate"]


def test_a_wrong_limit_is_reported(monkeypatch):
    right = module.deep_modes

    def wrong(t, *rest, depth):
        return right(2 * np.asarray(t) if depth == math.inf else t, *rest, depth=depth)

    monkeypatch.setattr(module, "deep_modes", wrong)
    found = verdicts(module.check(quick=True))
    assert not found["infinite depth: modes of the equation"]
    assert not found["distance to infinite depth, N = 4000 over 8000"]
    assert found["modes of the flow"]


def test_the_figure_has_axes_with_names_lines_and_points():
    pytest.importorskip("matplotlib")
    drawing = module.figure()
    assert len(drawing.axes) == 2
    for axis in drawing.axes:
        assert axis.get_xlabel().startswith("time t")
        assert axis.get_ylabel()
        assert {line.get_linestyle() != "None" for line in axis.lines} == {True, False}
