import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirmae.optimizers import Adam
from minirmae.theory import t15_step_size as step_size
from minirmae.theory.t15_step_size import LAST, scalar_descent, two_cycle, two_cycle_multiplier


def verdicts():
    """Name to verdict: passed only if every check of the name did."""
    found = {}
    for check in step_size.check(quick=True):
        found[check.name] = found.get(check.name, True) and check.passed
    return found


def test_every_check_passes_on_other_seeds_too():
    checks = step_size.check(seed=11)
    assert len(checks) == 30
    assert {check.note for check in checks} >= {"2 layers", "3 layers", "4 layers"}
    assert all(check.passed for check in checks), checks
    assert sum(check.speedup is not None for check in checks) == 3


@pytest.mark.parametrize("depth", [1, 6])
def test_a_depth_can_be_chosen(depth):
    noted = [check for check in step_size.check(depth=depth, quick=True) if check.note == f"{depth} layers"]
    assert len(noted) == 5
    assert all(check.passed for check in noted), noted


@settings(max_examples=60, deadline=None)
@given(st.floats(1, 3, exclude_min=True))
def test_the_two_values_are_mapped_onto_each_other(e):
    low, high = two_cycle(e)
    step = np.array([low, high])
    np.testing.assert_allclose(step * (1 + e * (1 - step)) ** 2, [high, low], rtol=1e-9)
    assert 0 < low < high


def test_the_printed_formulas():
    e = np.array([1.1, 1.2])
    root = np.sqrt((1 + e) ** 2 - 4)
    np.testing.assert_allclose(two_cycle(e), [(1 + e - root) / (2 * e), (1 + e + root) / (2 * e)], rtol=1e-13)
    # The chain rule along the cycle, for a -> a (1 + e (1 - a^2)).
    slopes = [1 + e - 3 * e * x for x in two_cycle(e)]
    np.testing.assert_allclose(two_cycle_multiplier(e), slopes[0] * slopes[1], atol=1e-12)
    assert two_cycle_multiplier(LAST) == pytest.approx(-1)


def test_a_step_of_the_scalar_problem():
    a, b, sigma, e = 1.5, 0.5, 2.0, 0.4
    rate, residual = e / sigma, a * b - sigma
    after = scalar_descent(sigma, e, a, b, 1)[1]
    np.testing.assert_allclose(after, [a - rate * residual * b, b - rate * residual * a], rtol=1e-14)


@pytest.mark.parametrize("function", [two_cycle, two_cycle_multiplier])
@pytest.mark.parametrize("e", [1.0, 0.5, [1.1, 0.9], np.nan])
def test_a_rate_that_has_no_cycle_is_refused(function, e):
    with pytest.raises(ValueError, match="expected e = eta sigma > 1"):
        function(e)


def test_a_wrong_sharpness_is_reported(monkeypatch):
    right = step_size.critical_rate
    monkeypatch.setattr(step_size, "critical_rate", lambda s, depth, lam: right(s, depth + 1, lam))
    found = verdicts()
    assert not found["SGD: factor per step at 0.99 of the critical rate"]
    assert not found["SGD: factor per step at 1.01 of the critical rate"]


def test_an_unbalanced_minimum_is_reported(monkeypatch):
    right = step_size.aligned_factors
    tilt = np.array([[1.2], [1 / 1.2]])  # the same product, another balance
    monkeypatch.setattr(step_size, "aligned_factors", lambda U, a, *rest: right(U, tilt * a, *rest))
    assert not verdicts()["Hessian at a balanced minimum"]


def test_too_large_a_step_for_the_two_cycle_is_reported(monkeypatch):
    right = step_size.scalar_descent
    monkeypatch.setattr(step_size, "scalar_descent", lambda s, e, *rest: right(s, e + 0.15 if e > 1 else e, *rest))
    found = verdicts()
    assert not found["SGD: two-cycle a b / sigma"]
    assert not found["SGD: multiplier of the two-cycle"]
    assert found["SGD: sharpness a^2 + b^2 below 2/eta"]


def test_a_run_that_stays_too_sharp_is_reported(monkeypatch):
    right = step_size.scalar_descent
    monkeypatch.setattr(step_size, "scalar_descent", lambda s, e, a, b, steps: right(s, e, a, b, min(steps, 5)))
    found = verdicts()
    assert not found["SGD: sharpness a^2 + b^2 below 2/eta"]
    assert not found["SGD: the flatter minimum"]


def test_adam_with_a_large_epsilon_is_reported(monkeypatch):
    # With epsilon far above the gradients Adam is momentum, and modes come one after the other again.
    monkeypatch.setattr(step_size, "Adam", lambda rate, epsilon: Adam(10 * rate, epsilon=1.0))
    assert not verdicts()["Adam: half times over the first"]


def test_the_figure_has_axes_with_names_lines_and_points():
    pytest.importorskip("matplotlib")
    drawing = step_size.figure()
    assert len(drawing.axes) == 3
    for axis in drawing.axes:
        assert axis.get_xlabel()
        assert axis.get_ylabel()
        assert {line.get_linestyle() != "None" for line in axis.lines} == {True, False}
