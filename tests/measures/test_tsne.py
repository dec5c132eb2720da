"""The map: its gradient, its promises, and what it does with what it cannot map."""

import numpy as np
import pytest

from minirmae.gradcheck import check
from minirmae.measures.affinities import joint_affinities
from minirmae.measures.trustworthiness import trustworthiness
from minirmae.measures.tsne import map_divergence, tsne


def clusters(rng, count=30, groups=3, width=8, apart=12.0):
    centres = apart * rng.standard_normal((groups, width))
    labels = np.repeat(np.arange(groups), count)
    return centres[labels] + rng.standard_normal((groups * count, width)), labels


def problem(seed=0, count=25):
    rng = np.random.default_rng(seed)
    return joint_affinities(rng.standard_normal((count, 4)), 6.0), rng.standard_normal((count, 2))


@pytest.mark.parametrize("seed", range(3))
def test_the_gradient_is_that_of_the_divergence(seed):
    p, y = problem(seed)
    report = check(lambda y: map_divergence(p, y), y, seed=seed, name="t-SNE divergence").require()
    assert report.largest_error("derivative") < 1e-12


def test_a_sabotaged_gradient_is_caught():
    p, y = problem()

    def without_weights(y):
        loss, _ = map_divergence(p, y)
        q = 1 / (1 + np.square(y[:, None] - y).sum(axis=2))
        np.fill_diagonal(q, 0)
        f = p - q / q.sum()
        return loss, lambda dloss: dloss * 4 * (f.sum(axis=1)[:, None] * y - f @ y)

    assert not check(without_weights, y).passed


def test_the_divergence_is_what_its_formula_says():
    p, y = problem()
    w = [[1 / (1 + sum((a - b) ** 2)) if i != j else 0 for j, b in enumerate(y)] for i, a in enumerate(y)]
    q = np.array(w) / np.sum(w)
    expected = sum(p[i, j] * np.log(p[i, j] / q[i, j]) for i in range(25) for j in range(25) if i != j)
    assert float(map_divergence(p, y)[0]) == pytest.approx(expected, rel=1e-13)


def test_the_gradient_of_sklearn_is_the_same():
    module = pytest.importorskip("sklearn.manifold._t_sne", reason="scikit-learn is not installed")
    distance = pytest.importorskip("scipy.spatial.distance", reason="SciPy is not installed")
    p, y = problem()
    loss, backward = map_divergence(p, y)
    theirs, gradient = module._kl_divergence(y.ravel(), distance.squareform(p, checks=False), 1, len(y), 2)
    assert float(loss) == pytest.approx(theirs, rel=1e-10)
    np.testing.assert_allclose(backward(1.0), gradient.reshape(y.shape), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("start", ["pca", "random"])
def test_separated_clusters_stay_separated(start):
    rng = np.random.default_rng(1)
    x, labels = clusters(rng)
    found = tsne(x, rng=rng, perplexity=10, iterations=400, start=start)
    assert trustworthiness(x, found.points, 10) > 0.95
    nearest = np.square(found.points[:, None] - found.points).sum(axis=2)
    np.fill_diagonal(nearest, np.inf)
    assert (labels[nearest.argmin(axis=1)] == labels).all()


def test_more_steps_lower_the_divergence_and_progress_tells():
    rng = np.random.default_rng(2)
    x, _ = clusters(rng)
    told = []
    found = tsne(x, rng=rng, perplexity=10, iterations=320, progress=lambda done, value: told.append((done, value)))
    assert [done for done, _ in told] == [50, 100, 150, 200, 250, 300, 320]
    assert told[-1][1] == found.divergence
    assert found.divergence < told[0][1] / 2
    p = joint_affinities(x, 10)
    assert found.divergence == pytest.approx(float(map_divergence(p, found.points)[0]), rel=1e-12)


def test_the_first_steps_are_those_of_the_paper():
    # Momentum, gains and exaggeration by hand, one coordinate at a time.
    x, y = np.random.default_rng(6).standard_normal((12, 3)), np.random.default_rng(7).standard_normal((12, 2))
    found = tsne(x, rng=np.random.default_rng(0), perplexity=4, iterations=4, learning_rate=9.0, exaggerated=3, start=y)
    p, gains, step = joint_affinities(x, 4), np.ones((12, 2)), np.zeros((12, 2))
    for iteration in range(4):
        w = 1 / (1 + np.square(y[:, None] - y).sum(axis=2)) - np.eye(12)
        f = ((4 if iteration < 3 else 1) * p - w / w.sum()) * w
        dy = 4 * (f[:, :, None] * (y[:, None] - y)).sum(axis=1)
        for i in np.ndindex(12, 2):
            # The gradient points against the last step: the coordinate keeps its direction.
            gains[i] = gains[i] + 0.2 if np.sign(dy[i]) == -np.sign(step[i]) != 0 else max(gains[i] * 0.8, 0.01)
            step[i] = 0.5 * step[i] - 9.0 * gains[i] * dy[i]
        y = y + step - (y + step).mean(axis=0)
    np.testing.assert_allclose(found.points, y, rtol=1e-10)


def test_the_minimum_of_three_equal_points_is_found():
    # With equal affinities the best map has equal distances: an equilateral triangle.
    x = np.eye(3)
    start = np.array([[2.0, 0.0], [0.0, 1.0], [-1.0, -0.5]])
    y = tsne(
        x, rng=np.random.default_rng(0), perplexity=1.5, iterations=2000, learning_rate=1.0, start=start, exaggerated=0
    ).points
    sides = [np.linalg.norm(y[i] - y[j]) for i, j in ((0, 1), (1, 2), (2, 0))]
    np.testing.assert_allclose(sides, np.mean(sides), rtol=1e-6)


def test_equal_generators_give_equal_maps_and_the_points_are_not_changed():
    x, _ = clusters(np.random.default_rng(3), count=10)
    before = x.copy()
    x.flags.writeable = False
    first, second, other = (tsne(x, rng=np.random.default_rng(s), perplexity=5, iterations=30) for s in (4, 4, 5))
    np.testing.assert_array_equal(first.points, second.points)
    assert (first.points != other.points).any()
    np.testing.assert_array_equal(x, before)


def test_single_precision_codes_of_three_dimensions():
    x, _ = clusters(np.random.default_rng(3), count=10)
    found = tsne(x.astype(np.float32), rng=np.random.default_rng(0), perplexity=5, iterations=20, dimensions=3)
    assert found.points.shape == (30, 3)
    assert found.points.dtype == np.float64
    np.testing.assert_allclose(found.points.mean(axis=0), 0, atol=1e-12)


@pytest.mark.parametrize(
    "x",
    [
        np.zeros((12, 3)),
        np.repeat(np.random.default_rng(0).standard_normal((4, 3)), 6, axis=0),
        np.linspace(0, 1, 24)[:, None],
        np.outer(np.arange(24.0), [1.0, 2.0, 3.0]),
    ],
    ids=["one point", "duplicates", "one column", "a line"],
)
def test_degenerate_points_get_a_finite_map_in_the_plane(x):
    found = tsne(x, rng=np.random.default_rng(0), perplexity=4, iterations=120)
    assert np.isfinite(found.points).all()
    assert np.linalg.matrix_rank(found.points, tol=1e-9) == 2


def test_bad_options_are_named():
    x, rng = np.random.default_rng(0).standard_normal((20, 3)), np.random.default_rng(0)
    for options, message in (
        ({"perplexity": 19}, "perplexity must be at least 1 and less than N - 1 = 19"),
        ({"iterations": 0}, "iterations must be an integer of at least 1"),
        ({"learning_rate": 0}, "learning_rate must be a positive number"),
        ({"exaggeration": 0.5}, "exaggeration must be a number of at least 1"),
        ({"exaggerated": -1}, "exaggerated must be an integer of at least 0"),
        ({"start": "spectral"}, "start must be one of pca, random"),
        ({"start": np.zeros((20, 3))}, r"start must have shape \(20, 2\)"),
        ({"learning_rate": 1e200}, "the map has diverged; lower the learning rate"),
    ):
        with np.errstate(all="ignore"), pytest.raises(ValueError, match=message):
            tsne(x, rng=rng, **{"perplexity": 5, "iterations": 30, **options})
    with pytest.raises(TypeError, match=r"rng must be a numpy\.random\.Generator"):
        tsne(x, rng=0, perplexity=5)
