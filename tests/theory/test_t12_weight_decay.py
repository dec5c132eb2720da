import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from minirmae.theory import t12_weight_decay as weight_decay
from minirmae.theory.lab import shrinkage
from minirmae.theory.lab.integrator import integrate
from minirmae.theory.lab.shrinkage import (
    autoencoder_threshold,
    decay_thresholds,
    decayed_modes,
    escape_strength,
    local_minimum,
    mode_objective,
    schatten_penalty,
    shrink,
)

positive = st.floats(0.05, 3)
depths = st.integers(1, 8)


def verdicts(checks):
    found = {}
    for check in checks:
        found[check.name] = found.get(check.name, True) and check.passed
    return found


def test_every_check_passes_on_other_seeds_too():
    checks = weight_decay.check(seed=7)
    assert len(checks) == 29
    assert all(check.passed for check in checks), checks
    assert {check.seed for check in checks} == {7, 8, 9}
    assert sum(check.speedup is not None for check in checks) == 1


def test_one_layer_is_ridge_regression():
    checks = weight_decay.check(seed=3, depth=1, quick=True)
    assert all(check.passed for check in checks), checks


@settings(max_examples=80, deadline=None)
@given(positive, positive, positive, depths)
@example(1.0, 1.0, 1.0, 2)
@example(3.0, 0.05, 3.0, 8)
def test_the_rule_is_the_global_minimum(sigma, mu, lam, depth):
    grid = np.linspace(0, sigma / lam, 5001)
    best = mode_objective(shrink(sigma, mu, depth, lam), sigma, mu, depth, lam)
    assert best <= mode_objective(grid, sigma, mu, depth, lam).min() + 1e-12 * max(1, sigma**2 / lam)


@settings(max_examples=80, deadline=None)
@given(positive, positive, positive, st.integers(3, 8))
def test_both_roots_are_stationary_and_lie_on_either_side_of_the_tangency(sigma, mu, lam, depth):
    exists, selected = decay_thresholds(mu, depth, lam)
    assert exists < selected
    s, a = local_minimum(sigma, mu, depth, lam), escape_strength(sigma, mu, depth, lam)
    if sigma <= exists:
        assert (s, a) == (0, np.inf)
        return
    assert a**depth <= s <= sigma / lam
    for root in (s, a**depth):
        # The slope of f where the roots nearly meet is only good to the square root of rounding.
        assert abs(lam * root + mu * root ** (2 / depth - 1) - sigma) < 1e-9 * sigma


@settings(max_examples=30, deadline=None)
@given(positive, st.floats(0, 3), positive, st.floats(0, 3))
@example(1.0, 1.0, 1.0, 1.0)
@example(1.0, 2.0, 1.0, 0.0)
def test_two_layer_modes_agree_with_the_integrator(sigma, mu, lam, s0):
    times = np.linspace(0, 3, 7)
    exact = integrate(lambda t, s: 2 * s * (sigma - mu - lam * s), np.array([s0]), times).states[:, 0]
    np.testing.assert_allclose(decayed_modes(times, s0, sigma, mu, lam), exact, atol=1e-9)


def test_two_layer_modes_for_ever():
    final = decayed_modes(1e6, [0.0, 0.5, 2.0, 1e-30, 1.0], [2.0, 2.0, 2.0, 2.0, 0.1], 0.5, 4.0)
    np.testing.assert_allclose(final, [0, 0.375, 0.375, 0.375, 0], atol=1e-300)
    np.testing.assert_allclose(decayed_modes(50.0, 1.0, 1.0, 1.0), 1 / 101, rtol=1e-14)


@pytest.mark.parametrize("sigma", [1.7, 2.5, 10.0])
def test_the_printed_formulas(sigma):
    mu = 0.5
    np.testing.assert_allclose(shrink(sigma, mu, 1), sigma / (1 + mu))
    np.testing.assert_allclose(shrink(sigma, mu, 2), sigma - mu)
    quartic = np.roots([1, 0, 0, -sigma, mu])
    real = np.sort(quartic[abs(quartic.imag) < 1e-9].real)
    np.testing.assert_allclose(shrink(sigma, mu, 3), real[-1] ** 3, rtol=1e-11)
    np.testing.assert_allclose(escape_strength(sigma, mu, 3), real[0], rtol=1e-11)
    angle = np.arccos(-(3 * np.sqrt(3) * mu) / (2 * sigma**1.5)) / 3
    np.testing.assert_allclose(shrink(sigma, mu, 4), (2 * np.sqrt(sigma / 3) * np.cos(angle)) ** 2, rtol=1e-12)


@pytest.mark.parametrize("depth", [3, 4, 7])
def test_thresholds_mark_where_the_minimum_appears_and_where_it_wins(depth):
    mu, lam = 0.4, 1.3
    exists, selected = decay_thresholds(mu, depth, lam)
    assert local_minimum(exists * (1 - 1e-6), mu, depth, lam) == 0
    assert local_minimum(exists * (1 + 1e-6), mu, depth, lam) > 0.05
    s = local_minimum(selected, mu, depth, lam)
    assert abs(mode_objective(s, selected, mu, depth, lam)) < 1e-12
    np.testing.assert_allclose(s, (mu / lam * (depth - 2)) ** (depth / (2 * depth - 2)), rtol=1e-12)
    assert shrink(selected * (1 - 1e-9), mu, depth, lam) == 0
    assert shrink(selected * (1 + 1e-9), mu, depth, lam) > 0.05
    variance = autoencoder_threshold(mu, depth)
    np.testing.assert_allclose(decay_thresholds(mu, depth, variance)[1], variance, rtol=1e-12)


def test_limits_without_decay_or_target():
    for depth in (1, 2, 3, 5):
        np.testing.assert_allclose(shrink([0.0, 0.5, 2.0], 0.0, depth, 2.0), [0, 0.25, 1])
        assert shrink(0.0, 0.5, depth) == 0
    assert escape_strength(1.0, 0.0, 3) == 0
    assert escape_strength([2.0, 1.0], 1.5, 2).tolist() == [0, np.inf]
    assert escape_strength(1.0, 5.0, 1) == 0
    assert schatten_penalty([0.0, 0.0], 4) == 0
    assert autoencoder_threshold(0.3, 1) == 0


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: shrink(1.0, 0.1, 0), "shrink: depth must be an integer of at least 1"),
        (lambda: shrink(1.0, 0.1, 2.5), "shrink: depth must be an integer of at least 1"),
        (lambda: shrink(-1.0, 0.1, 2), "shrink: sigma must be finite and at least 0, got -1"),
        (lambda: shrink(1.0, -0.1, 2), "shrink: mu must be finite and at least 0"),
        (lambda: local_minimum(1.0, 0.1, 3, 0.0), "local_minimum: lam must be positive"),
        (lambda: escape_strength(np.nan, 0.1, 3), "escape_strength: sigma must be finite"),
        (lambda: schatten_penalty([1.0, -1.0], 2), "schatten_penalty: singular values must be at least 0"),
        (lambda: schatten_penalty([1.0], 0), "depth must be an integer of at least 1"),
        (lambda: decayed_modes(1.0, -0.1, 1.0, 0.1), "a balanced start has s0 = a.2 >= 0, and decay mu >= 0"),
        (lambda: decayed_modes(1.0, 0.1, 1.0, -0.1), "and decay mu >= 0"),
        (lambda: decayed_modes(-1.0, 0.1, 1.0, 0.1), "decayed_modes: t must be at least 0"),
    ],
)
def test_what_the_theorem_does_not_cover_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_wrong_exponent_is_reported(monkeypatch):
    wrong = lambda s, depth: depth * (np.asarray(s) ** (1 / depth)).sum(axis=-1)  # noqa: E731
    monkeypatch.setattr(weight_decay, "schatten_penalty", wrong)
    assert not verdicts(weight_decay.check(quick=True))["squares of balanced factors"]


def test_a_small_start_is_reported(monkeypatch):
    right = weight_decay.balanced_factors
    monkeypatch.setattr(weight_decay, "balanced_factors", lambda *a: [0.1 * W for W in right(*a)])
    found = verdicts(weight_decay.check(depth=3, quick=True))
    assert not found["flow: matrix"]
    assert not found["SGD: matrix"]
    assert not found["flow: loss"]
    assert not found["squares of balanced factors"]


def test_an_unbalanced_factorisation_is_reported(monkeypatch):
    right = weight_decay.balanced_factors
    tilt = (1.3, 1 / 1.3)
    monkeypatch.setattr(
        weight_decay, "balanced_factors", lambda *a: [c * W for c, W in zip(tilt, right(*a), strict=True)]
    )
    found = verdicts(weight_decay.check(quick=True))
    assert not found["squares of balanced factors"]
    assert found["SGD: matrix"]


def test_the_global_rule_where_descent_stops_locally_is_reported(monkeypatch):
    monkeypatch.setattr(weight_decay, "local_minimum", shrinkage.shrink)
    found = verdicts(weight_decay.check(depth=3, quick=True))
    assert not found["flow: large start"]
    assert not found["a local minimum worse than zero"]


def test_a_misplaced_barrier_is_reported(monkeypatch):
    for factor, failing in ((1.05, "flow: start 2 % below the barrier"), (0.95, "flow: start 2 % above the barrier")):
        monkeypatch.setattr(weight_decay, "escape_strength", lambda *a, f=factor: f * shrinkage.escape_strength(*a))
        checks = weight_decay._check_barrier(3, np.random.default_rng(0), {"seed": 0})
        assert [check.name for check in checks if not check.passed] == [failing]


def test_decay_left_out_of_the_training_is_reported(monkeypatch):
    monkeypatch.setattr(weight_decay, "add_decay", lambda objective, mu: objective)
    found = verdicts(weight_decay.check(quick=True))
    assert not found["SGD: matrix"]
    assert found["flow: matrix"]


def test_dynamics_without_decay_are_reported(monkeypatch):
    monkeypatch.setattr(
        weight_decay, "decayed_modes", lambda t, s0, sigma, mu, lam: decayed_modes(t, s0, sigma, 0, lam)
    )
    assert not verdicts(weight_decay.check(quick=True))["flow: two-layer modes"]


def test_the_figure_has_axes_with_names_lines_and_points():
    pytest.importorskip("matplotlib")
    drawing = weight_decay.figure()
    assert len(drawing.axes) == 2
    for axis in drawing.axes:
        assert axis.get_xlabel()
        assert axis.get_ylabel().startswith("final strength s")
        assert {line.get_linestyle() != "None" for line in axis.lines} == {True, False}
