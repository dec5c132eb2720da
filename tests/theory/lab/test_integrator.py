import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirmae.theory.lab import integrator
from minirmae.theory.lab.integrator import IntegrationError, certified, integrate


def rotation(t, y):
    return np.array([y[1], -y[0]])


@settings(max_examples=20, deadline=None)
@given(st.floats(0.1, 4), st.floats(0.01, 0.9), st.floats(0.5, 4))
def test_the_logistic_curve(rate, start, end):
    solution = integrate(lambda t, y: rate * y * (1 - y), np.array([start]), np.array([0.0, end / 3, end]))
    exact = 1 / (1 + (1 / start - 1) * np.exp(-rate * solution.times))
    np.testing.assert_allclose(solution.states[:, 0], exact, rtol=1e-9)


def test_a_field_that_depends_on_time():
    times = np.linspace(1.0, 3.0, 5)
    solution = integrate(lambda t, y: np.array([5 * t**4]), np.array([1.0]), times)
    np.testing.assert_allclose(solution.states[:, 0], times**5, rtol=1e-12)


def test_the_coefficients_satisfy_the_order_conditions():
    # Consistency of every stage, and the quadrature conditions up to order 5 for the kept solution, 4 for the other.
    A, C, E = integrator._A, np.array(integrator._C), np.array(integrator._E)
    for row, node in zip(A, C, strict=True):
        assert sum(row) == pytest.approx(node, abs=1e-15)
    b = np.array([*A[6], 0.0])
    for power in range(5):
        assert b @ C**power == pytest.approx(1 / (power + 1), abs=1e-15)
    for power in range(4):
        assert E @ C**power == pytest.approx(0, abs=1e-15)
    assert abs(E @ C**4) > 1e-4


def test_the_order_is_five(monkeypatch):
    # With a controller that neither grows nor rejects, halving the step divides the error by 2^5.
    errors = []
    for steps in (20, 40, 80):
        monkeypatch.setattr(integrator, "_first_step", lambda *_, steps=steps: 2 / steps)
        times = np.linspace(0, 2, steps + 1)
        end = integrate(rotation, np.array([1.0, 0.0]), times, rtol=1.0, atol=1.0).states[-1]
        errors.append(np.abs(end - [np.cos(2), -np.sin(2)]).max())
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert (np.abs(orders - 5) < 0.3).all(), orders


def test_steps_land_on_the_output_times_and_output_costs_few_of_them():
    start = np.array([1.0, 0.0])
    few = integrate(rotation, start, np.array([0.0, 10.0]))
    many = integrate(rotation, start, np.linspace(0, 10, 41))
    np.testing.assert_allclose(many.states, np.stack([np.cos(many.times), -np.sin(many.times)], 1), atol=1e-10)
    assert many.steps < few.steps + 41 * 2


def test_a_sharp_feature_is_met_with_rejected_steps():
    def field(t, y):
        return np.array([1 / np.cosh((t - 5) / 0.01) ** 2 / 0.01 if abs(t - 5) < 3 else 0.0])

    solution = integrate(field, np.array([-1.0]), np.linspace(0, 10, 41), max_steps=3000)
    np.testing.assert_allclose(solution.states[:, 0], np.tanh((solution.times - 5) / 0.01), atol=1e-9)
    assert solution.rejected > 0


def test_a_short_gap_between_output_times_does_not_slow_the_rest():
    start = np.array([1.0, 0.0])
    without = integrate(rotation, start, np.array([0.0, 5.0, 10.0]))
    gap = integrate(rotation, start, np.array([0.0, 5.0, 5.0 + 1e-12, 10.0]))
    assert gap.steps <= without.steps + 2


def test_a_tighter_tolerance_costs_more_and_is_nearer():
    runs = [integrate(rotation, np.array([1.0, 0.0]), np.array([0.0, 5.0]), rtol=rtol) for rtol in (1e-5, 1e-8, 1e-11)]
    errors = [np.abs(run.states[-1] - [np.cos(5), -np.sin(5)]).max() for run in runs]
    assert errors[0] > 100 * errors[1] > 1e4 * errors[2]
    assert runs[0].steps < runs[1].steps < runs[2].steps


@pytest.mark.parametrize("rtol", [1e-5, 1e-7, 1e-9])
def test_certified_estimates_the_error(rtol):
    times = np.array([0.0, 5.0])
    fine, estimate = certified(rotation, np.array([1.0, 0.0]), times, rtol=rtol)
    coarse = integrate(rotation, np.array([1.0, 0.0]), times, rtol=rtol)
    exact = np.array([np.cos(5), -np.sin(5)])
    assert estimate == pytest.approx(np.abs(coarse.states[-1] - exact).max(), rel=0.1)
    assert np.abs(fine.states[-1] - exact).max() < estimate / 10


def test_a_solution_at_rest_stays_and_the_start_is_not_touched():
    start = np.zeros(3)
    solution = integrate(lambda t, y: -y, start, np.linspace(0, 100, 3))
    assert not solution.states.any()
    solution.states[0] = 1
    assert not start.any()


def test_one_time_is_the_start():
    assert integrate(rotation, np.array([1.0, 2.0]), np.array([3.0])).states.tolist() == [[1.0, 2.0]]


def test_a_blow_up_is_an_error_that_says_where():
    with pytest.raises(IntegrationError, match=r"step size fell to .* at t = (0\.999|1)"):
        integrate(lambda t, y: y**2, np.array([1.0]), np.array([0.0, 2.0]))


def test_too_many_steps_are_an_error():
    with pytest.raises(IntegrationError, match="10 steps reached only t = "):
        integrate(rotation, np.array([1.0, 0.0]), np.array([0.0, 100.0]), max_steps=10)


def test_a_field_that_is_not_finite_is_an_error():
    with pytest.raises(IntegrationError, match="not finite at the start"):
        integrate(lambda t, y: y * np.nan, np.array([1.0]), np.array([0.0, 1.0]))


@pytest.mark.parametrize(
    "start, times, options, error, message",
    [
        (np.array([1]), [0.0, 1.0], {}, TypeError, "start must hold floats"),
        (np.ones((2, 2)), [0.0, 1.0], {}, ValueError, "start must have 1 axes"),
        (np.ones(1), [0.0, 0.0], {}, ValueError, "times must be finite, increasing"),
        (np.ones(1), [0.0, np.inf], {}, ValueError, "times must be finite, increasing"),
        (np.ones(1), [], {}, ValueError, "times must be finite, increasing"),
        (np.ones(1), [0.0, 1.0], {"rtol": 0.0}, ValueError, "rtol and atol must be positive"),
    ],
)
def test_bad_arguments(start, times, options, error, message):
    with pytest.raises(error, match=message):
        integrate(lambda t, y: -y, start, np.array(times), **options)
