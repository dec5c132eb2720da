"""The Frechet distance against closed forms, an independent matrix square root, and what it must not depend on."""

import numpy as np
import pytest

from minirmae.measures import frechet_distance, gaussian_frechet_distance


def covariance(rng, n, rank=None):
    factor = rng.normal(size=(n, rank or 2 * n))
    return factor @ factor.T / factor.shape[1]


def rotation(rng, n):
    return np.linalg.qr(rng.normal(size=(n, n)))[0]


def test_commuting_covariances_have_a_closed_form():
    """In the common basis the distance is that of independent normals: of means and of standard deviations."""
    rng = np.random.default_rng(0)
    Q, a, b = rotation(rng, 6), rng.uniform(0.1, 9, 6), rng.uniform(0.1, 9, 6)
    a[0], b[1] = 0.0, 0.0
    m1, m2 = rng.normal(size=(2, 6))
    expected = ((m1 - m2) ** 2).sum() + ((np.sqrt(a) - np.sqrt(b)) ** 2).sum()
    distance = gaussian_frechet_distance(m1, Q * a @ Q.T, m2, Q * b @ Q.T)
    assert distance == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("n", [1, 5, 30])
def test_scipys_matrix_root_gives_the_same(n):
    linalg = pytest.importorskip("scipy.linalg")
    rng = np.random.default_rng(n)
    m1, m2, S1, S2 = *rng.normal(size=(2, n)), covariance(rng, n), covariance(rng, n)
    expected = ((m1 - m2) ** 2).sum() + np.trace(S1 + S2 - 2 * linalg.sqrtm(S1 @ S2).real)
    assert gaussian_frechet_distance(m1, S1, m2, S2) == pytest.approx(expected, rel=1e-8)


def test_the_root_by_its_definition():
    """S1^(1/2) S2 S1^(1/2) has the eigenvalues of S1 S2, which need no root of a matrix."""
    rng = np.random.default_rng(1)
    S1, S2 = covariance(rng, 7), covariance(rng, 7)
    overlap = np.sqrt(np.linalg.eigvals(S1 @ S2).real).sum()
    expected = np.trace(S1) + np.trace(S2) - 2 * overlap
    assert gaussian_frechet_distance(np.zeros(7), S1, np.zeros(7), S2) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("rows", [5, 40])
def test_identical_sets_do_not_differ(rows):
    """Also with fewer rows than columns, where the covariance is singular."""
    x = np.random.default_rng(2).normal(size=(rows, 20))
    scale = np.trace(np.cov(x.T))
    assert frechet_distance(x, x.copy()) <= 1e-12 * scale
    assert frechet_distance(x, x[::-1].copy()) <= 1e-12 * scale


def test_a_singular_covariance_against_a_full_one():
    """A point is at the distance of all variance; a line at that of the standard deviations along it."""
    S = np.diag([4.0, 1.0, 9.0])
    zero = np.zeros(3)
    assert gaussian_frechet_distance(zero, S, zero, np.zeros((3, 3))) == pytest.approx(14.0, rel=1e-14)
    assert gaussian_frechet_distance(zero, S, zero, np.diag([1.0, 0.0, 0.0])) == pytest.approx(11.0, rel=1e-7)


def test_symmetry_rotation_scale_and_shift():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(50, 6)) @ rng.normal(size=(6, 6)), rng.normal(size=(80, 6))
    distance, Q = frechet_distance(x, y), rotation(rng, 6)
    assert distance > 1
    assert frechet_distance(y, x) == pytest.approx(distance, rel=1e-12)
    assert frechet_distance(x @ Q + 3, y @ Q + 3) == pytest.approx(distance, rel=1e-11)
    assert frechet_distance(10 * x, 10 * y) == pytest.approx(100 * distance, rel=1e-12)


def test_the_bias_is_what_the_docstring_says():
    rng, n, N1, N2, repeats = np.random.default_rng(4), 5, 400, 600, 300
    values = [frechet_distance(rng.normal(size=(N1, n)), rng.normal(size=(N2, n))) for _ in range(repeats)]
    bias = (1 / N1 + 1 / N2) * (n + n * (n + 1) / 4)
    # Three standard errors, and the next order, which is smaller by another factor of about n / N.
    assert np.mean(values) == pytest.approx(bias, abs=3 * np.std(values) / repeats**0.5 + bias * n / N1)


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ((np.zeros((3, 2), int), np.zeros((3, 2))), TypeError, "must be an array of real floats"),
        ((np.zeros((1, 2)), np.zeros((3, 2))), ValueError, "at least 2 rows"),
        ((np.zeros((3, 2)), np.zeros((3, 4))), ValueError, "one width, got 2 and 4"),
        ((np.full((3, 2), np.nan), np.zeros((3, 2))), ValueError, "must be finite"),
    ],
)
def test_features_that_cannot_be(arguments, error, message):
    with pytest.raises(error, match=message):
        frechet_distance(*arguments)


@pytest.mark.parametrize(
    "mean, S, message",
    [
        (np.zeros(2), np.diag([1.0, -1.0]), "no negative eigenvalue"),
        (np.zeros(2), np.array([[1.0, 0.5], [0.0, 1.0]]), "must be symmetric"),
        (np.zeros(3), np.eye(2), "goes with a covariance of shape"),
        (np.zeros((1, 2)), np.eye(2), "goes with a covariance of shape"),
    ],
)
def test_what_is_no_gaussian(mean, S, message):
    with pytest.raises(ValueError, match=message):
        gaussian_frechet_distance(mean, S, np.zeros(2), np.eye(2))
