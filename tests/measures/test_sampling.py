import numpy as np
import pytest

from minirmae.measures.rank import covariance_spectrum, numerical_rank
from minirmae.measures.sampling import interpolate, pca_grid, principal_components, sample_gaussian, sample_mixture


def rank_two_codes(dtype=np.float64):
    rng = np.random.default_rng(0)
    return (4.0 + rng.normal(size=(500, 2)) * [3.0, 1.0] @ rng.normal(size=(2, 8))).astype(dtype)


def test_interpolation_runs_from_z1_to_z0_in_equal_steps():
    rng = np.random.default_rng(0)
    z0, z1 = rng.normal(size=(2, 6, 5))
    line = interpolate(z0, z1)
    assert line.shape == (6, 11, 5)
    np.testing.assert_array_equal(line[:, 0], z1)
    np.testing.assert_array_equal(line[:, -1], z0)
    for j in range(11):
        np.testing.assert_allclose(line[:, j], z1 + (z0 - z1) * j / 10, rtol=0, atol=1e-15)
    assert interpolate(z0, z1, steps=1).shape == (6, 2, 5)


@pytest.mark.parametrize(
    ("z0", "z1", "steps", "error"),
    [
        (np.ones((2, 3)), np.ones((3, 3)), 10, ValueError),
        (np.ones((2, 3)), np.ones((2, 3), np.float32), 10, ValueError),
        (np.ones(3), np.ones(3), 10, ValueError),
        (np.ones((2, 3)), np.ones((2, 3)), 0, ValueError),
        (np.ones((2, 3)), np.full((2, 3), np.inf), 10, ValueError),
        (np.ones((2, 3), int), np.ones((2, 3), int), 10, TypeError),
    ],
)
def test_bad_interpolation_is_named(z0, z1, steps, error):
    with pytest.raises(error, match="interpolate: "):
        interpolate(z0, z1, steps)


def test_gaussian_has_the_codes_moments_and_rank():
    codes = rank_two_codes()
    samples = sample_gaussian(codes, 40000, np.random.default_rng(1))
    spread = np.sqrt(covariance_spectrum(codes)[0])
    np.testing.assert_allclose(samples.mean(axis=0), codes.mean(axis=0), atol=0.02 * spread)
    np.testing.assert_allclose(np.cov(samples.T), np.cov(codes.T), atol=0.03 * spread**2)
    assert numerical_rank(covariance_spectrum(samples), 1e-12) == 2


def test_gaussian_of_codes_that_do_not_vary_is_that_code():
    np.testing.assert_array_equal(
        sample_gaussian(np.full((5, 3), 0.1), 4, np.random.default_rng(0)), np.full((4, 3), 0.1)
    )


def test_mixture_samples_come_from_the_clusters():
    rng = np.random.default_rng(0)
    codes = np.concatenate([rng.normal(centre, 0.1, (100, 4)) for centre in (-9, -3, 3, 9)])
    samples = sample_mixture(codes, 1000, rng)
    nearest = np.abs(samples.mean(axis=1)[:, None] - [-9, -3, 3, 9])
    assert nearest.min(axis=1).max() < 0.5
    assert np.bincount(nearest.argmin(axis=1)).min() > 150
    # One component cannot avoid the gaps between the clusters.
    assert np.abs(sample_mixture(codes, 1000, rng, components=1).mean(axis=1)).min() < 0.5


def test_principal_components_are_orthonormal_sorted_and_of_fixed_sign():
    codes = np.random.default_rng(0).normal(size=(300, 6)) * [1, 5, 2, 4, 3, 0]
    mean, components, std = principal_components(codes, 4)
    np.testing.assert_allclose(mean, codes.mean(axis=0), atol=1e-15)
    np.testing.assert_allclose(components @ components.T, np.eye(4), atol=1e-13)
    np.testing.assert_allclose(std**2, covariance_spectrum(codes)[:4], rtol=1e-12)
    np.testing.assert_allclose(((codes - mean) @ components.T).std(axis=0, ddof=1), std, rtol=1e-12)
    assert (components[np.arange(4), np.abs(components).argmax(axis=1)] > 0).all()
    mirrored = principal_components(2 * mean - codes, 4)
    np.testing.assert_allclose(mirrored.components, components, atol=1e-12)


def test_pca_grid_spans_the_plane_as_a_plot_does():
    codes = rank_two_codes()
    mean, components, std = principal_components(codes, 2)
    grid = pca_grid(codes, side=5, extent=2.0)
    assert grid.shape == (25, 8)
    coordinates = ((grid - mean) @ components.T / std).reshape(5, 5, 2)
    for row in range(5):
        for column in range(5):
            np.testing.assert_allclose(coordinates[row, column], [column - 2, 2 - row], atol=1e-10)
    np.testing.assert_allclose(grid[12], mean, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_samples_have_the_dtype_of_the_codes(dtype):
    codes = rank_two_codes(dtype)
    rng = np.random.default_rng(0)
    for result in (
        interpolate(codes[:2], codes[2:4]),
        sample_gaussian(codes, 3, rng),
        sample_mixture(codes, 3, rng),
        pca_grid(codes),
    ):
        assert result.dtype == dtype
        assert result.shape[-1] == 8


def test_same_seed_same_samples():
    codes = rank_two_codes()
    for draw in (sample_gaussian, sample_mixture):
        one, two = (draw(codes, 5, np.random.default_rng(3)) for _ in range(2))
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda c, r: sample_gaussian(c, 0, r), ValueError, "gaussian: count must"),
        (lambda c, r: sample_gaussian(c, 3, None), TypeError, "gaussian: rng must"),
        (lambda c, r: sample_gaussian(c[:1], 3, r), ValueError, "gaussian: codes must have at least 2 rows"),
        (lambda c, r: sample_mixture(c, -1, r), ValueError, "mixture: count must"),
        (lambda c, r: sample_mixture(c[:3], 3, r), ValueError, "distinct points, got 3"),
        (lambda c, r: principal_components(c, 9), ValueError, "k must be at most the latent size 8, got 9"),
        (lambda c, r: principal_components(c, 0), ValueError, "k must be an integer"),
        (lambda c, r: pca_grid(c, side=1), ValueError, "side must be an integer of at least 2"),
        (lambda c, r: pca_grid(c, extent=-1.0), ValueError, "extent must be positive"),
        (lambda c, r: pca_grid(c, extent=np.inf), ValueError, "extent must be positive"),
        (lambda c, r: pca_grid(c[:, :1]), ValueError, "at least 2 columns"),
        (lambda c, r: pca_grid(c.tolist()), TypeError, "pca_grid: codes must be an array"),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call(rank_two_codes(), np.random.default_rng(0))
