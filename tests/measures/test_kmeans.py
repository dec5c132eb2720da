import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirmae.measures.kmeans import kmeans_plus_plus, lloyd


def blobs(rng, centres=((0, 0), (20, 0), (0, 20), (20, 20)), size=30):
    return np.concatenate([rng.normal(centre, 1.0, (size, 2)) for centre in centres])


def within(points, labels):
    return sum(((points[labels == k] - points[labels == k].mean(axis=0)) ** 2).sum() for k in np.unique(labels))


@pytest.mark.parametrize("seed", range(5))
def test_separated_blobs_are_found_exactly(seed):
    rng = np.random.default_rng(seed)
    points = blobs(rng)
    labels = lloyd(points, kmeans_plus_plus(points, 4, rng), 10)
    groups = labels.reshape(4, 30)
    assert (groups == groups[:, :1]).all()
    assert len(set(groups[:, 0].tolist())) == 4


def test_seeding_spreads_by_squared_distance():
    # From 0, the points 1, 2 and 3 must follow with odds 1 : 4 : 9.
    points = np.array([[0.0], [1.0], [2.0], [3.0]])
    rng = np.random.default_rng(0)
    draws = [tuple(kmeans_plus_plus(points, 2, rng)[:, 0]) for _ in range(8000)]
    second = [b for a, b in draws if a == 0]
    counts = np.bincount(np.array(second, dtype=int), minlength=4)
    expected = len(second) * np.array([0, 1, 4, 9]) / 14
    assert counts[0] == 0
    chi_squared = ((counts[1:] - expected[1:]) ** 2 / expected[1:]).sum()
    assert chi_squared < 13.8  # the 0.1 % point with 2 degrees of freedom


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(0, 8))
def test_no_cluster_is_ever_empty_and_no_step_makes_it_worse(seed, clusters, iterations):
    rng = np.random.default_rng(seed)
    points = rng.integers(0, 4, (30, 2)).astype(float)  # many duplicates and ties
    centres = kmeans_plus_plus(points, clusters, rng)
    assert len(np.unique(centres, axis=0)) == clusters
    labels = lloyd(points, centres, iterations)
    assert set(labels.tolist()) == set(range(clusters))
    assert within(points, labels) <= within(points, lloyd(points, centres, 0)) * (1 + 1e-12)


def test_a_step_that_would_empty_a_cluster_is_not_taken():
    points = np.array([[0.0, 2.0], [2.0, 2.0], [4.0, 7.0], [0.0, 4.0], [4.0, 6.0]])
    centres = points[[0, 1, 3]]
    labels = lloyd(points, centres, 0)
    means = np.stack([points[labels == k].mean(axis=0) for k in range(3)])
    nearest = ((points[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    assert len(set(nearest.tolist())) == 2  # the step would empty a cluster
    labels = lloyd(points, centres, 5)
    assert set(labels.tolist()) == {0, 1, 2}


def test_more_clusters_than_distinct_points_is_an_error():
    points = np.repeat(np.array([[0.1, 0.2], [0.3, 0.4]]), 50, axis=0)
    rng = np.random.default_rng(0)
    assert len(kmeans_plus_plus(points, 2, rng)) == 2
    with pytest.raises(ValueError, match="3 clusters need as many distinct points, got 2 among 100"):
        kmeans_plus_plus(points, 3, rng)
