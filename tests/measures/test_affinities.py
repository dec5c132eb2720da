"""Affinities: the perplexity asked for, for every point, whatever the scale; and what is refused."""

import numpy as np
import pytest

from minirmae.measures import affinities as module
from minirmae.measures.affinities import conditional_affinities, joint_affinities


def perplexities(p):
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.where(p > 0, p * np.log2(p), 0).sum(axis=1)
    return 2**entropy


@pytest.mark.parametrize("perplexity", [1.5, 5, 30, 90])
@pytest.mark.parametrize("scale", [1e-12, 1, 1e12])
def test_every_row_has_the_perplexity(perplexity, scale):
    rng = np.random.default_rng(0)
    # An outlier and a tight group: widths that differ by orders of magnitude.
    x = np.concatenate([rng.standard_normal((80, 5)), 1e-4 * rng.standard_normal((19, 5)), np.full((1, 5), 1e3)])
    p = conditional_affinities(scale * x, perplexity)
    np.testing.assert_allclose(perplexities(p), perplexity, rtol=1e-7)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)
    assert (np.diag(p) == 0).all()


def test_each_row_is_a_gaussian_of_the_distances():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((15, 3))
    p = conditional_affinities(x, 5)
    for i in range(15):
        others = [j for j in range(15) if j != i]
        squared = np.array([((x[i] - x[j]) ** 2).sum() for j in others])
        slope, _ = np.polyfit(squared, np.log(p[i, others]), 1)
        assert slope < 0
        np.testing.assert_allclose(np.diff(np.log(p[i, others])), slope * np.diff(squared), rtol=1e-6, atol=1e-9)


def test_joint_affinities_are_symmetric_and_sum_to_one():
    x = np.random.default_rng(2).standard_normal((40, 3))
    p, c = joint_affinities(x, 7), conditional_affinities(x, 7)
    np.testing.assert_array_equal(p, p.T)
    assert p.sum() == pytest.approx(1, rel=1e-12)
    assert p[3, 8] == pytest.approx((c[3, 8] + c[8, 3]) / 80, rel=1e-14)


def test_duplicates_see_their_copies_equally():
    x = np.repeat(np.random.default_rng(3).standard_normal((3, 2)), 6, axis=0)
    p = conditional_affinities(x, 3)
    np.testing.assert_allclose(perplexities(p), 5, rtol=1e-9)
    np.testing.assert_allclose(p[0, 1:6], 0.2, rtol=1e-9)
    np.testing.assert_allclose(conditional_affinities(np.ones((8, 2)), 3)[0, 1:], 1 / 7, rtol=1e-12)


def test_scikit_learn_finds_the_same():
    theirs = pytest.importorskip("sklearn.manifold._t_sne", reason="scikit-learn is not installed")
    distance = pytest.importorskip("scipy.spatial.distance", reason="SciPy is not installed")
    x = np.random.default_rng(4).standard_normal((60, 4))
    squared = distance.squareform(distance.pdist(x, "sqeuclidean")).astype(np.float32)
    joint = distance.squareform(theirs._joint_probabilities(squared, 12, 0))
    np.testing.assert_allclose(joint_affinities(x, 12), joint, rtol=1e-3, atol=1e-8)


def test_what_cannot_be_is_refused(monkeypatch):
    x = np.random.default_rng(0).standard_normal((20, 3))
    for perplexity in (0.5, 19, 30, float("nan")):
        with pytest.raises(ValueError, match="perplexity must be at least 1 and less than N - 1 = 19"):
            joint_affinities(x, perplexity)
    with pytest.raises(ValueError, match="x must be finite, got nan at row 2"):
        joint_affinities(np.where(np.arange(20)[:, None] == 2, np.nan, x), 5)
    with pytest.raises(TypeError, match="array of real floats"):
        joint_affinities(np.ones((20, 3), dtype=int), 5)
    with pytest.raises(ValueError, match="at least 3 rows"):
        joint_affinities(x[:2], 1)
    monkeypatch.setattr(module, "MAX_POINTS", 19)
    with pytest.raises(ValueError, match="at most 19 points, got 20: memory and time grow"):
        joint_affinities(x, 5)
