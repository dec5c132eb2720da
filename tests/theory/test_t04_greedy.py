from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from minirmae.theory import t04_greedy as greedy
from minirmae.theory.lab.descent_modes import descent_modes, jump_steps, phase_times
from minirmae.theory.lab.integrator import integrate
from minirmae.theory.lab.modes import Modes, random_modes
from minirmae.theory.t04_greedy import plateaus, reduced_rank_regression


def verdicts(checks):
    found = {}
    for check in checks:
        found[check.name] = found.get(check.name, True) and check.passed
    return found


def test_every_check_passes_on_other_seeds_too(monkeypatch):
    monkeypatch.setattr(greedy, "WIDTHS", greedy.WIDTHS[1:])
    checks = greedy.check(seed=5)
    assert len(checks) == 36
    assert all(check.passed for check in checks), checks
    assert {check.seed for check in checks} == {5, 6}
    assert sum(check.speedup is not None for check in checks) == 2


@settings(max_examples=60, deadline=None)
@given(st.floats(0.01, 0.5), st.floats(-12, -0.4), st.floats(0.1, 3), st.floats(0.1, 3))
@example(0.5, -0.35, 1.0, 1.0)
@example(0.5, -12.0, 1.0, 1.0)
def test_half_strength_is_reached_within_the_bounds(e, log_start, sigma, lam):
    start = np.exp(log_start) * np.sqrt(sigma / lam)
    early, late = jump_steps(start, sigma, lam, rate=e / sigma)
    strengths = descent_modes(int(late) + 2, start, sigma, lam, rate=e / sigma)
    jump = int((strengths < sigma / lam / 2).sum())
    # A half reached exactly, to rounding, may count as the next step.
    assert early * (1 - 1e-9) - 1e-9 <= jump < late + 1 + 1e-9
    assert strengths.max() <= sigma / lam * (1 + 1e-12)
    assert late - early <= np.log(2) / (2 * np.log1p(e)) + 1e-9


def test_bounds_hold_for_starts_whose_square_underflows():
    early, late = jump_steps(1e-300, 1.0, rate=0.1)
    np.testing.assert_allclose(late, 300 * np.log(10) / np.log1p(0.1), rtol=1e-12)
    assert 0 < late - early < 4


def test_small_rates_approach_the_flow():
    sigma = np.array([3.0, 1.0])
    np.testing.assert_allclose(phase_times(sigma, 1e-9), phase_times(sigma), rtol=1e-8)
    early, late = jump_steps(1e-3, 1.0, rate=1e-4)
    exact = np.log(1e6 - 1) / 2
    assert early * 1e-4 < exact < late * 1e-4 * (1 + 1e-4)
    strengths = descent_modes(50_000, 0.1, 1.0, rate=1e-4)[-1]
    flow = integrate(lambda t, a: a * (1 - a * a), np.array([0.1]), np.array([0.0, 5.0])).states[-1, 0] ** 2
    np.testing.assert_allclose(strengths, flow, rtol=1e-4)


def test_jumps_at_the_phase_times_for_any_rate_in_the_limit():
    sigma, rate = np.array([1.9, 1.0, 0.3]), 0.25
    early, late = jump_steps(np.exp(-700.0) * np.ones(3), sigma, rate=rate)
    for steps in (early, late):
        np.testing.assert_allclose(rate * steps / 700, phase_times(sigma, rate), atol=0, rtol=2 / 700)


def test_reduced_rank_regression_beats_every_other_matrix_of_its_rank():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(30, 5)), rng.normal(size=(30, 4))
    covariance, correlation = x.T @ x / 30, y.T @ x / 30

    def loss(W):
        return ((y - x @ W.T) ** 2).sum()

    for rank in range(5):
        W = reduced_rank_regression(covariance, correlation, rank)
        assert np.linalg.matrix_rank(W) == rank
        U, s, Vt = np.linalg.svd(W)
        left, right = U[:, :rank] * s[:rank], Vt[:rank]
        for size in (1e-3, 1e-1, 1):
            A, B = (m + size * rng.normal(size=m.shape) for m in (left, right))
            assert loss(A @ B) >= loss(W)
    np.testing.assert_allclose(W, np.linalg.lstsq(x, y, rcond=None)[0].T, atol=1e-12)


def test_plateaus_are_regressions_only_if_both_rank_the_modes_alike():
    modes = random_modes(np.random.default_rng(1), 3, 3)
    modes = replace(modes, sigma=np.array([3.0, 2.0, 1.0]), lam=np.array([9.0, 1.0, 2.0]))
    target = [reduced_rank_regression(modes.covariance, modes.correlation, r) for r in range(4)]
    resting = plateaus(modes)
    np.testing.assert_allclose(resting[[0, 2, 3]], [target[r] for r in (0, 2, 3)], atol=1e-12)
    assert abs(resting[1] - target[1]).max() > 0.1
    shuffled = replace(modes, U=modes.U[:, ::-1], sigma=modes.sigma[::-1], V=modes.V[:, ::-1], lam=modes.lam[::-1])
    np.testing.assert_allclose(plateaus(shuffled), resting, atol=1e-15)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: phase_times([1.0, 0.0]), "phase_times: sigma must be positive: a mode with sigma = 0 never jumps"),
        (lambda: phase_times(2.0, rate=0.5), "settles only if rate sigma < 1; got rate = 0.5, sigma up to 2"),
        (lambda: phase_times(2.0, rate=-0.1), "got rate = -0.1"),
        (lambda: jump_steps(1e-3, 2.0, rate=0.3), "without overshooting only if rate sigma <= 1/2"),
        (lambda: jump_steps(1e-3, 2.0, rate=0.0), "rate, start and lam must be positive"),
        (lambda: jump_steps(0.0, 1.0, rate=0.1), "rate, start and lam must be positive"),
        (lambda: jump_steps(1.0, 1.0, rate=0.1), "starts above half of its final strength"),
        (lambda: descent_modes(-1, 0.1, 1.0, rate=0.1), "descent_modes: steps must be an integer of at least 0"),
        (lambda: reduced_rank_regression(np.diag([1.0, 0.0]), np.eye(2), 1), "Sxx must be positive definite"),
        (lambda: reduced_rank_regression(np.eye(3), np.eye(2), 1), "covariance must have shape"),
        (lambda: reduced_rank_regression(np.eye(2), np.eye(2), -1), "rank must be an integer of at least 0"),
    ],
)
def test_what_the_theorem_does_not_cover_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_clock_of_the_flow_is_wrong_for_descent(monkeypatch):
    right = jump_steps
    small = 1e-3

    def naive(start, sigma, lam, *, rate):
        return (steps * small / rate for steps in right(start, sigma, lam, rate=small))

    monkeypatch.setattr(greedy, "jump_steps", naive)
    found = verdicts(greedy.check(quick=True))
    assert not found["SGD: steps of the jumps within bounds"]
    assert found["SGD: strengths at every step"]


def test_too_large_a_start_has_no_plateaus(monkeypatch):
    monkeypatch.setattr(greedy, "PLATEAU_DELTA", 2.0)
    found = verdicts(greedy.check(quick=True))
    assert not found["SGD: distance to the plateaus"]
    assert not found["SGD: rank on the plateaus"]


def test_wrong_phase_times_are_reported(monkeypatch):
    monkeypatch.setattr(greedy, "phase_times", lambda sigma, rate=0.0: 1 / (2 * sigma))
    found = verdicts(greedy.check(quick=True))
    assert not found["SGD: jump times/delta"]
    assert not found["flow: half times/delta"]


def test_modes_that_regression_ranks_differently_are_reported(monkeypatch):
    # A variance that makes regression take the second mode first.
    def skewed(U, sigma, V, lam):
        return Modes(U, sigma, V, np.where(np.arange(len(lam)) == 0, 6.0, 1.0))

    monkeypatch.setattr(greedy, "Modes", skewed)
    found = verdicts(greedy.check(quick=True))
    assert not found["plateaus are reduced-rank regressions"]
    assert not found["SGD: distance to the plateaus"]


def test_too_large_a_step_is_reported(monkeypatch):
    monkeypatch.setattr(
        greedy, "_descend", lambda m, start, rate, steps, d=greedy._descend: d(m, start, 1.2 * rate, steps)
    )
    found = verdicts(greedy.check(quick=True))
    assert not found["SGD: no overshoot at rate sigma = 0.5"]
    assert not found["SGD: settles at rate sigma = 0.99"]


def test_the_figure_has_axes_with_names_lines_and_points():
    pytest.importorskip("matplotlib")
    drawing = greedy.figure()
    assert len(drawing.axes) == 2
    for axis in drawing.axes:
        assert axis.get_xlabel().startswith("time")
        assert axis.get_ylabel()
        assert {line.get_linestyle() != "None" for line in axis.lines} == {True, False}
