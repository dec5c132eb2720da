import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirmae.theory import t11_logistic as logistic
from minirmae.theory.lab.integrator import integrate
from minirmae.theory.lab.max_margin import separable_data
from minirmae.theory.t11_logistic import logistic_asymptote, logistic_descent, logistic_flow, logistic_weights

DATA, _ = separable_data(np.random.default_rng(5), 3, 3, 3)


@pytest.fixture
def short(monkeypatch):
    """Sabotage is seen in the flow; keep the training run out of the way."""
    monkeypatch.setattr(logistic, "STEPS", 10)


def verdicts():
    return {check.name: check.passed for check in logistic.check(quick=True)}


def test_every_check_passes_on_another_seed_too():
    checks = logistic.check(seed=11, quick=True)
    assert len(checks) == 6
    assert all(check.passed for check in checks), checks
    assert sum(check.speedup is not None for check in checks) == 1


def test_every_size(short):
    checks = logistic.check(seed=3)
    assert len(checks) == 17
    assert all(check.passed for check in checks if not check.name.startswith("SGD")), checks


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(0, 5))
def test_random_data_of_known_rates_agree_with_the_flow(seed, inputs, others):
    rng = np.random.default_rng(seed)
    Z, _ = separable_data(rng, inputs, inputs, others)
    log_times = np.array([25.0, 35.0])
    w = logistic_flow(Z, rng.normal(size=inputs), log_times)
    np.testing.assert_allclose(w, logistic_weights(np.exp(log_times), Z), atol=1e-6)


def test_the_flow_in_logarithmic_time_is_the_flow():
    start, times = np.array([0.3, -0.2, 0.1]), np.array([0.5, 3.0, 20.0])
    plain = integrate(lambda t, w: (1 / (1 + np.exp(DATA @ w))) @ DATA, start, np.concatenate([[0.0], times]))
    np.testing.assert_allclose(logistic_flow(DATA, start, np.log(times)), plain.states[1:], atol=1e-10)


def test_descent_follows_the_gradient_of_the_summed_loss():
    rate, w = 0.01, np.zeros(3)
    for _ in range(3):
        w = w + rate * (1 / (1 + np.exp(DATA @ w))) @ DATA
    np.testing.assert_allclose(logistic_descent(DATA, rate, 3)[-1], w, rtol=1e-12)


def test_the_residual_solves_its_equation():
    separator, residual = logistic_asymptote(DATA)
    rows = DATA[separator.support]
    np.testing.assert_allclose(np.exp(-rows @ residual) @ rows, separator.direction, atol=1e-12)


def test_times_come_first():
    assert logistic_weights(2.0, DATA).shape == (3,)
    assert logistic_weights(np.ones((4, 2)), DATA).shape == (4, 2, 3)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: logistic_weights(0.0, DATA), "times must be positive"),
        (lambda: logistic_weights(1.0, np.array([[1.0, 0.0], [4.0, 1.0]])), "the 1 support vectors must span"),
        (lambda: logistic_asymptote(np.array([[1.0, 0.0], [1.0, 1.0]])), "positive multiplier, but one has 0"),
        (lambda: logistic_asymptote(np.array([[1.0, 0.0], [-1.0, 0.0]])), "not linearly separable"),
    ],
)
def test_what_the_theorem_does_not_cover_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_wrong_residual_is_reported(monkeypatch, short):
    right = logistic.logistic_asymptote
    monkeypatch.setattr(logistic, "logistic_asymptote", lambda Z: (right(Z)[0], 0 * right(Z)[1]))
    found = verdicts()
    assert not found["flow: margins of support vectors"]
    assert not found["flow: direction"]
    assert found["separator: certified gap"]


def test_the_mean_loss_in_place_of_the_sum_is_reported(monkeypatch, short):
    right = logistic.integrate
    monkeypatch.setattr(logistic, "integrate", lambda field, *rest: right(lambda q, w: field(q, w) / 6, *rest))
    assert not verdicts()["flow: margins of support vectors"]


def test_data_that_converge_slowly_are_reported(monkeypatch, short):
    right = logistic.separable_data
    monkeypatch.setattr(logistic, "separable_data", lambda rng, *sizes, mu=None: right(rng, *sizes, mu=(0.2, 0.2)))
    found = verdicts()
    assert not found["flow: margins of support vectors"]
    assert not found["flow: exponent of the approach"]


def test_a_run_that_is_too_short_is_reported(short):
    assert not verdicts()["SGD: margins of support vectors"]


def test_the_figure_has_axes_with_names_lines_and_points():
    pytest.importorskip("matplotlib")
    drawing = logistic.figure()
    assert len(drawing.axes) == 2
    for axis in drawing.axes:
        assert axis.get_xlabel().startswith("time t")
        assert axis.get_ylabel()
        assert {line.get_linestyle() != "None" for line in axis.lines} == {True, False}
