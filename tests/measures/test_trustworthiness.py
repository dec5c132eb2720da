"""Trustworthiness against its definition in loops, against scikit-learn, and at its ends."""

import numpy as np
import pytest

from minirmae.measures.trustworthiness import continuity, trustworthiness


def by_definition(x, y, k):
    n, penalty = len(x), 0
    for i in range(n):
        others = [j for j in range(n) if j != i]
        in_data = sorted(others, key=lambda j: ((x[i] - x[j]) ** 2).sum())
        in_map = sorted(others, key=lambda j: ((y[i] - y[j]) ** 2).sum())
        penalty += sum(in_data.index(j) + 1 - k for j in in_map[:k] if j not in in_data[:k])
    return 1 - 2 * penalty / (n * k * (2 * n - 3 * k - 1))


@pytest.mark.parametrize("k", [1, 4, 12])
def test_it_is_its_definition(k):
    rng = np.random.default_rng(k)
    x, y = rng.standard_normal((30, 5)), rng.standard_normal((30, 2))
    assert trustworthiness(x, y, k) == pytest.approx(by_definition(x, y, k), abs=1e-14)
    assert continuity(x, y, k) == pytest.approx(by_definition(y, x, k), abs=1e-14)
    assert trustworthiness(x, y, k) != continuity(x, y, k)


def test_scikit_learn_agrees():
    manifold = pytest.importorskip("sklearn.manifold", reason="scikit-learn is not installed")
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((60, 5)), rng.standard_normal((60, 2))
    for k in (1, 5, 20):
        assert trustworthiness(x, y, k) == pytest.approx(manifold.trustworthiness(x, y, n_neighbors=k), abs=1e-12)


def test_the_ends_of_the_scale():
    # Points around a circle, slightly uneven so that no distances are equal. On the second map everyone stands
    # beside those from the opposite side.
    angle = 2 * np.pi * np.arange(15) / 15 + 1e-6 * np.arange(15) ** 2
    x = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    assert trustworthiness(x, 5 * x - 3, 4) == 1
    assert trustworthiness(x, x[2 * np.arange(15) % 15], 1) < 0.2


def test_random_maps_are_near_one_half():
    rng = np.random.default_rng(5)
    values = [trustworthiness(rng.standard_normal((200, 3)), rng.standard_normal((200, 2)), 10) for _ in range(5)]
    assert np.mean(values) == pytest.approx(0.5, abs=0.05)


def test_duplicates_have_no_rank_of_their_own():
    x = np.repeat(np.arange(5.0)[:, None], 4, axis=0)
    assert trustworthiness(x, x, 3) == 1


def test_what_does_not_fit_is_refused():
    x = np.random.default_rng(0).standard_normal((20, 3))
    with pytest.raises(ValueError, match="less than half the number of points, 20; got 10"):
        trustworthiness(x, x, 10)
    with pytest.raises(ValueError, match="neighbours must be an integer of at least 1"):
        trustworthiness(x, x, 0)
    with pytest.raises(ValueError, match="got 20 and 19 rows"):
        trustworthiness(x, x[1:], 3)
    with pytest.raises(TypeError, match="y must be an array of real floats"):
        trustworthiness(x, [[0.0]], 3)
