"""Rung 3: an error bar that holds, and honesty where there is no derivative."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirmae.gradcheck.richardson import TOLERANCE, derivative


@pytest.mark.parametrize(
    ("f", "exact"),
    [
        (math.exp, 1.0),
        (lambda t: math.sin(3 * t + 1), 3 * math.cos(1)),
        (lambda t: 1 / (2 + t), -0.25),
        (lambda t: math.sqrt(0.3 + t), 0.5 / math.sqrt(0.3)),
        (lambda t: 7.0, 0.0),
        (lambda t: t, 1.0),
        (lambda t: 1e6 + t * t + 2 * t, 2.0),
        (lambda t: math.tanh(100 * t + 0.5), 100 / math.cosh(0.5) ** 2),
        (lambda t: abs(t - 0.01), -1.0),
        (lambda t: abs(t + 3e-5), 1.0),
        (lambda t: math.sin(t) + 1e-7 * abs(t - 2.5e-4), 1 - 1e-7),
    ],
)
def test_the_error_bar_covers_the_error(f, exact):
    estimate = derivative(f)
    assert abs(estimate.value - exact) <= estimate.error


@pytest.mark.parametrize("f", [math.exp, lambda t: math.sin(3 * t + 1), lambda t: 1 / (2 + t), lambda t: t])
def test_smooth_functions_are_known_well_enough_to_pass(f):
    assert derivative(f).error < TOLERANCE / 3


@pytest.mark.parametrize(
    "f",
    [
        pytest.param(abs, id="kink"),
        pytest.param(lambda t: max(t, 0.0), id="rectifier at its kink"),
        pytest.param(lambda t: abs(t - 1e-9), id="kink closer than any step"),
        pytest.param(lambda t: abs(t + 1e-6), id="kink closer than the smallest step"),
        pytest.param(lambda t: math.copysign(1.0, t), id="jump"),
        pytest.param(lambda t: math.floor(t + 1e-7), id="jump closer than any step"),
        pytest.param(lambda t: t * math.sin(1 / t) if t else 0.0, id="oscillation"),
        pytest.param(lambda t: math.sqrt(abs(t)), id="vertical tangent"),
        pytest.param(lambda t: round(t, 5), id="rounded"),
        pytest.param(lambda t: float(np.float32(math.sin(t))), id="single precision inside"),
        pytest.param(lambda t: math.nan, id="not a number"),
    ],
)
def test_where_there_is_no_trustworthy_derivative_the_error_bar_says_so(f):
    assert derivative(f).error > 10 * TOLERANCE


def test_a_function_of_large_terms_has_their_rounding_error():
    rough = derivative(lambda t: (1e8 + t) - 1e8)
    assert rough.error < derivative(lambda t: (1e8 + t) - 1e8, magnitude=1e8).error
    assert abs(rough.value - 1) <= derivative(lambda t: (1e8 + t) - 1e8, magnitude=1e8).error


@settings(derandomize=True, database=None)
@given(
    kink=st.floats(-1e-2, 1e-2),
    exponent=st.floats(-12, 0.5),
    sign=st.sampled_from([-1, 1]),
    frequency=st.floats(0.1, 5),
    phase=st.floats(-3, 3),
)
def test_a_smooth_function_with_a_kink_anywhere_never_misleads(kink, exponent, sign, frequency, phase):
    strength = sign * 10**exponent
    estimate = derivative(lambda t: math.sin(frequency * t + phase) + strength * abs(t - kink))
    smooth = frequency * math.cos(phase)
    slopes = (smooth - strength, smooth + strength) if kink == 0 else (smooth - strength * math.copysign(1, kink),)
    # A kink weaker than the tolerance may go unnoticed: it changes no verdict.
    assert all(abs(estimate.value - slope) <= max(estimate.error, TOLERANCE / 3) for slope in slopes)


@settings(derandomize=True, database=None)
@given(
    digits=st.floats(4, 13),
    frequency=st.floats(0.1, 5),
    phase=st.floats(-3, 3),
)
def test_a_function_with_noise_is_never_known_better_than_the_noise_allows(digits, frequency, phase):
    noise = 10**-digits
    estimate = derivative(lambda t: round(math.sin(frequency * t + phase) / noise) * noise)
    # A failure takes ten bars, a pass a bar below the tolerance: noise can bring about neither.
    assert abs(estimate.value - frequency * math.cos(phase)) <= max(5 * estimate.error, TOLERANCE)
