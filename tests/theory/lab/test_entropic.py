import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirmae.theory.lab.entropic import EntropicLimit, entropic_limit, entropic_point, smallest_sum_bound


def random_problem(seed, n=7, m=3):
    rng = np.random.default_rng(seed)
    a = np.concatenate([rng.uniform(0.5, 1.5, (1, n)), rng.normal(size=(m - 1, n))])
    return a, a @ rng.uniform(0.2, 1, n)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.floats(-3, 12))
def test_the_point_fits_and_has_the_exponential_form(seed, log_scale):
    a, y = random_problem(seed)
    limit = entropic_limit(a, y, log_scale)
    np.testing.assert_allclose(a @ limit.x, y, atol=1e-11)
    np.testing.assert_allclose(limit.x, np.exp(-2 * log_scale + 2 * limit.nu @ a), rtol=1e-11)


def test_it_has_the_smallest_entropy_of_all_that_fit():
    a, y = random_problem(0)
    x = entropic_limit(a, y, 2.0).x
    null = np.linalg.svd(a)[2][3:]

    def cost(x):
        return (x * (np.log(x) - 1 + 4)).sum()

    rng = np.random.default_rng(1)
    others = [x + 1e-2 * x.min() * rng.normal(size=4) @ null for _ in range(20)]
    assert all(cost(x) < cost(other) for other in others)


def test_one_measurement_by_hand():
    # x = alpha^2 exp(2 a nu) with one entry is y/a whatever alpha is; two equal entries share.
    np.testing.assert_allclose(entropic_limit(np.array([[2.0]]), np.array([3.0]), 7.0).x, [1.5])
    np.testing.assert_allclose(entropic_limit(np.ones((1, 2)), np.array([1.0]), 300.0).x, [0.5, 0.5])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.5, 30))
def test_the_bound_is_below_the_smallest_sum_and_the_gap_as_stated(seed, log_scale):
    a, y = random_problem(seed, n=6, m=2)
    limit = entropic_limit(a, y, log_scale)
    vertices = (np.linalg.solve(a[:, c], y) for c in itertools.combinations(range(6), 2))
    smallest = min(v.sum() for v in vertices if (v >= 0).all())
    bound, total = smallest_sum_bound(a, y, limit), limit.x.sum()
    assert bound <= smallest + 1e-10
    assert smallest <= total + 1e-10
    assert total - bound <= 6 * max(1, limit.x.max()) / (2 * np.e * log_scale) + 1e-10


def test_a_start_below_the_smallest_float():
    a, y = random_problem(3)
    limit = entropic_limit(a, y, 1e4)
    assert (limit.x > 1e-6).sum() == 3
    np.testing.assert_allclose(limit.x.sum(), smallest_sum_bound(a, y, limit), rtol=1e-3)


def test_the_point_is_the_formula():
    a = np.array([[1.0, -1.0]])
    np.testing.assert_allclose(entropic_point(a, np.array([0.5]), 1.0), np.exp([-1.0, -3.0]))


@pytest.mark.parametrize(
    "a, y, log_scale, message",
    [
        ([[1.0, 2.0], [2.0, 4.0]], [1.0, 2.0], 1.0, "rows of a must be independent"),
        ([[1.0, 2.0]], [-1.0], 1.0, "did not converge: y must be measured from some positive x"),
        ([[1.0, 2.0]], [1.0], np.inf, "must be finite"),
        ([[1.0, 2.0]], [1.0, 2.0], 1.0, "y must have shape"),
        ([1.0, 2.0], [1.0, 2.0], 1.0, "a must have 2 axes"),
    ],
)
def test_what_has_no_limit_is_refused(a, y, log_scale, message):
    with pytest.raises(ValueError, match=message):
        entropic_limit(np.array(a), np.array(y), log_scale)


def test_a_large_start_has_no_bound():
    with pytest.raises(ValueError, match="needs alpha < 1, got ln"):
        smallest_sum_bound(np.ones((1, 1)), np.ones(1), EntropicLimit(np.ones(1), np.zeros(1), -1.0))
