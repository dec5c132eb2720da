import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirmae.theory.lab import nuclear_norm
from minirmae.theory.lab.completion import random_completion
from minirmae.theory.lab.nuclear_norm import Completion, CompletionError, minimum_nuclear_norm, shrink_singular_values

entry = st.floats(0.3, 2)


@settings(max_examples=25, deadline=None)
@given(entry, entry, entry, st.booleans())
def test_one_missing_corner_is_known_exactly(a, b, c, negative):
    # |X|_*^2 = |X|_F^2 + 2 |det X| for two by two; over x it is smallest at x = min(a, bc/a).
    sign = -1.0 if negative else 1.0
    matrix = np.array([[a, b], [sign * c, np.nan]])
    found = minimum_nuclear_norm(matrix, ~np.isnan(matrix), gap=1e-10)
    x = sign * min(a, b * c / a)
    smallest = np.sqrt(a * a + b * b + c * c + x * x + 2 * abs(a * x - sign * b * c))
    np.testing.assert_allclose(found.nuclear_norm, smallest, rtol=1e-9)
    assert found.lower_bound <= smallest * (1 + 1e-12)


def test_the_certificate_is_one():
    problem = random_completion(np.random.default_rng(3), 7, 2, 30)
    found = minimum_nuclear_norm(problem.matrix, problem.observed)
    assert np.linalg.norm(found.dual, 2) <= 1 + 1e-12
    assert not found.dual[~problem.observed].any()
    assert (found.matrix == problem.matrix)[problem.observed].all()
    assert 0 <= found.gap <= 1e-8
    # Nothing that agrees with the observations has a smaller norm.
    rng = np.random.default_rng(0)
    for scale in (1e-3, 1e-1, 10):
        other = found.matrix + scale * np.where(problem.observed, 0, rng.normal(size=(7, 7)))
        assert np.linalg.svd(other, compute_uv=False).sum() >= found.lower_bound


def test_rectangles_and_transposes():
    rng = np.random.default_rng(1)
    matrix, observed = rng.normal(size=(3, 6)), rng.random((3, 6)) < 0.6
    wide, tall = minimum_nuclear_norm(matrix, observed), minimum_nuclear_norm(matrix.T, observed.T)
    assert wide.matrix.shape == (3, 6)
    np.testing.assert_allclose(wide.nuclear_norm, tall.nuclear_norm, rtol=1e-7)


def test_extremes():
    matrix = np.random.default_rng(2).normal(size=(3, 3))
    nothing = minimum_nuclear_norm(matrix, np.zeros((3, 3), bool))
    assert not nothing.matrix.any()
    assert nothing.gap == 0
    everything = minimum_nuclear_norm(matrix, np.ones((3, 3), bool))
    np.testing.assert_array_equal(everything.matrix, matrix)
    single = np.full((2, 2), np.nan)
    single[0, 1] = 3.0
    np.testing.assert_allclose(
        minimum_nuclear_norm(single, ~np.isnan(single), gap=1e-12).matrix, [[0, 3], [0, 0]], atol=1e-9
    )


def test_shrinking_is_the_proximal_map():
    rng = np.random.default_rng(4)
    matrix = rng.normal(size=(4, 3))
    best = shrink_singular_values(matrix, 0.7)

    def cost(Y):
        return ((Y - matrix) ** 2).sum() / 2 + 0.7 * np.linalg.svd(Y, compute_uv=False).sum()

    assert all(cost(best) <= cost(best + 1e-3 * rng.normal(size=(4, 3))) for _ in range(20))


def test_a_gap_that_is_not_reached_is_reported():
    problem = random_completion(np.random.default_rng(0), 8, 2, 30)
    with pytest.raises(CompletionError, match="relative gap is above 1e-08 after 20 iterations; allow more"):
        minimum_nuclear_norm(problem.matrix, problem.observed, max_iterations=20)


def test_a_wrong_minimiser_has_a_gap(monkeypatch):
    # Without shrinking nothing is minimised, and the certificate cannot be found.
    monkeypatch.setattr(nuclear_norm, "shrink_singular_values", lambda matrix, threshold: 0.9 * matrix)
    problem = random_completion(np.random.default_rng(0), 8, 2, 30)
    with pytest.raises(CompletionError):
        minimum_nuclear_norm(problem.matrix, problem.observed, max_iterations=500)
    assert Completion(np.eye(2), np.zeros((2, 2)), 0).gap == 1


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"matrix": np.eye(2, dtype=int)}, TypeError, "matrix must hold floats"),
        ({"matrix": np.ones(2)}, ValueError, "2 axes"),
        ({"observed": np.ones((2, 3), bool)}, ValueError, "observed must have shape"),
        ({"observed": np.ones((2, 2))}, TypeError, "observed must hold booleans, got float64"),
        ({"matrix": np.full((2, 2), np.nan)}, ValueError, "every observed entry must be finite"),
        ({"gap": 0.0}, ValueError, "gap must be positive"),
        ({"max_iterations": 0}, ValueError, "max_iterations"),
    ],
)
def test_what_is_not_a_problem_is_refused(change, error, message):
    arguments = {"matrix": np.eye(2), "observed": np.eye(2, dtype=bool), **change}
    with pytest.raises(error, match=message):
        minimum_nuclear_norm(arguments.pop("matrix"), arguments.pop("observed"), **arguments)
