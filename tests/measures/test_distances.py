"""Distances: exact for equal points, symmetric, right in every block."""

import numpy as np

from minirmae.measures import distances
from minirmae.measures.distances import squared_distances


def test_blocks_do_not_matter(monkeypatch):
    x = np.random.default_rng(0).standard_normal((23, 5))
    whole = squared_distances(x)
    np.testing.assert_allclose(whole, np.square(x[:, None] - x).sum(axis=2), rtol=1e-14)
    for limit in (1, 60):
        monkeypatch.setattr(distances, "_BLOCK", limit)
        np.testing.assert_array_equal(squared_distances(x), whole)
    np.testing.assert_array_equal(whole, whole.T)


def test_equal_points_far_from_the_origin_are_at_distance_zero():
    x = np.repeat(1e8 + np.random.default_rng(0).standard_normal((3, 4)), 2, axis=0)
    d = squared_distances(x)
    assert (d[[0, 2, 4], [1, 3, 5]] == 0).all()
    assert d[0, 2] > 0


def test_complex_points_keep_their_imaginary_part():
    z = np.array([[0.0], [1.0 + 1e-20j]])
    assert squared_distances(z)[0, 1] == 1 + 2e-20j
