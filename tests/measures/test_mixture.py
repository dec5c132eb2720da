import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirmae.measures import mixture as module
from minirmae.measures.mixture import GaussianMixture, fit_mixture


def low_rank_codes(seed, samples=400, rank=3, latent=32, noise=0.0):
    """Codes like IRMAE's: a bent, clustered cloud of `rank` dimensions in `latent`."""
    rng = np.random.default_rng(seed)
    inner = rng.normal(size=(samples, rank)) + 2 * rng.integers(0, 2, (samples, rank))
    inner[:, 0] += 0.3 * inner[:, 1] ** 2
    return 5.0 + inner @ rng.normal(size=(rank, latent)) + noise * rng.normal(size=(samples, latent))


def never_decreases(history):
    history = np.array(history)
    return (np.diff(history) >= -1e-9 * np.abs(history[1:])).all()


@pytest.mark.parametrize("noise", [0.0, 1e-7, 1e-3, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_the_log_likelihood_never_decreases_even_on_singular_codes(seed, noise):
    codes = low_rank_codes(seed, noise=noise)
    mixture = fit_mixture(codes, 4, rng=np.random.default_rng(seed), tolerance=0, max_iterations=60)
    assert len(mixture.log_likelihoods) > 5
    assert never_decreases(mixture.log_likelihoods)
    assert mixture.log_likelihoods[-1] > mixture.log_likelihoods[0]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 5),
    st.integers(1, 4),
    st.sampled_from([1e-8, 1e-6, 1e-2]),
    st.sampled_from([1e-6, 1.0, 1e6]),
)
def test_the_log_likelihood_never_decreases_with_duplicates_and_ties(seed, components, latent, regularization, scale):
    rng = np.random.default_rng(seed)
    codes = scale * rng.integers(0, 5, (40, latent)).astype(float)
    if len(np.unique(codes, axis=0)) < max(components, 2):
        return
    mixture = fit_mixture(codes, components, rng=rng, regularization=regularization, tolerance=0, max_iterations=30)
    history = np.array(mixture.log_likelihoods)
    # The log-likelihood can be near 0 by cancellation: 1e-9 relative to the size of its terms.
    size = len(codes) * latent * (1 + abs(np.log(scale)) + abs(np.log(regularization)))
    assert (np.diff(history) >= -1e-9 * np.maximum(np.abs(history[1:]), 1e-3 * size)).all()
    assert mixture.weights.sum() == pytest.approx(1, rel=1e-12)
    assert np.isfinite(mixture.log_density(codes)).all()


def test_each_step_is_the_best_of_its_kind():
    """No nearby covariance above the floor does better than the M-step's: the claim that makes EM monotone."""
    rng = np.random.default_rng(0)
    x = low_rank_codes(0, samples=60, rank=2, latent=4)
    r = rng.dirichlet(np.ones(3), size=60)
    floor = 0.5
    nothing = module._Parameters(np.zeros(3), np.zeros((3, 4)), np.zeros((3, 4)), np.zeros((3, 4, 4)))
    best = module._maximize(x, r, nothing, floor)

    def expected(parameters):
        return (r * module._log_joint(x, parameters)).sum()

    for _ in range(200):
        rotation, _ = np.linalg.qr(np.eye(4) + 0.05 * rng.normal(size=(4, 4)))
        worse = module._Parameters(
            rng.dirichlet(1e4 * best.weights),
            best.means + 0.01 * rng.normal(size=best.means.shape),
            np.maximum(best.eigenvalues * np.exp(0.05 * rng.normal(size=best.eigenvalues.shape)), floor),
            best.eigenvectors @ rotation,
        )
        assert expected(worse) < expected(best)


def test_one_component_is_the_closed_form():
    codes = low_rank_codes(1, rank=3, latent=6)
    mixture = fit_mixture(codes, 1, rng=np.random.default_rng(0), regularization=1e-4)
    covariance = np.cov(codes, rowvar=False, ddof=0)
    eigenvalues, eigenvectors = np.linalg.eigh(covariance)
    floor = 1e-4 * np.linalg.eigvalsh(np.cov(codes, rowvar=False))[-1]
    floored = eigenvectors * np.maximum(eigenvalues, floor) @ eigenvectors.T
    np.testing.assert_allclose(mixture.means[0], codes.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(mixture.covariances[0], floored, atol=1e-12 * eigenvalues[-1])
    assert mixture.weights.tolist() == [1.0]
    assert mixture.converged
    assert len(mixture.log_likelihoods) == 2


def test_a_known_mixture_is_recovered():
    rng = np.random.default_rng(0)
    truth = GaussianMixture(
        weights=np.array([0.2, 0.3, 0.5]),
        means=np.array([[0.0, 0.0], [8.0, 0.0], [0.0, 8.0]]),
        covariances=np.array([[[1.0, 0.5], [0.5, 1.0]], [[2.0, 0.0], [0.0, 0.1]], [[0.5, -0.4], [-0.4, 0.5]]]),
        log_likelihoods=(),
        converged=True,
    )
    fitted = fit_mixture(truth.sample(20000, rng), 3, rng=rng)
    order = np.argsort(fitted.weights)
    np.testing.assert_allclose(fitted.weights[order], truth.weights, atol=0.015)
    np.testing.assert_allclose(fitted.means[order], truth.means, atol=0.1)
    np.testing.assert_allclose(fitted.covariances[order], truth.covariances, atol=0.1)


def test_a_larger_cluster_does_not_swallow_a_smaller_one_in_null_directions():
    """Two overlapping clusters of unequal size and rank 2 in 32 dimensions keep their sizes."""
    rng = np.random.default_rng(0)
    inner = np.concatenate([rng.normal((0, 0), 1, (900, 2)), rng.normal((6, 0), 1, (100, 2))])
    mixture = fit_mixture(inner @ rng.normal(size=(2, 32)), 2, rng=rng)
    np.testing.assert_allclose(np.sort(mixture.weights), [0.1, 0.9], atol=0.01)


def test_log_density_and_responsibilities_against_the_formula():
    mixture = fit_mixture(low_rank_codes(2, latent=3), 3, rng=np.random.default_rng(0))
    x = np.random.default_rng(1).normal(4.0, 3.0, (50, 3))
    joint = np.empty((50, 3))
    for k in range(3):
        difference = x - mixture.means[k]
        quadratic = (difference @ np.linalg.inv(mixture.covariances[k]) * difference).sum(axis=1)
        determinant = np.linalg.det(2 * np.pi * mixture.covariances[k])
        joint[:, k] = np.log(mixture.weights[k]) - 0.5 * quadratic - 0.5 * np.log(determinant)
    density = np.logaddexp.reduce(joint, axis=1)
    np.testing.assert_allclose(mixture.log_density(x), density, rtol=1e-10)
    np.testing.assert_allclose(mixture.responsibilities(x), np.exp(joint - density[:, None]), atol=1e-10)
    np.testing.assert_allclose(mixture.responsibilities(x).sum(axis=1), 1, rtol=1e-12)


def test_the_last_log_likelihood_is_that_of_the_returned_mixture():
    codes = low_rank_codes(3)
    for iterations in (1, 3):
        mixture = fit_mixture(codes, 4, rng=np.random.default_rng(0), max_iterations=iterations)
        assert not mixture.converged
        assert len(mixture.log_likelihoods) == iterations + 1
        assert mixture.log_density(codes).sum() == pytest.approx(mixture.log_likelihoods[-1], rel=1e-8)


def test_the_density_integrates_to_one():
    mixture = fit_mixture(low_rank_codes(0, rank=2, latent=1), 3, rng=np.random.default_rng(0))
    edge = 10 * np.sqrt(mixture.covariances.max()) + np.abs(mixture.means).max()
    x = np.linspace(-edge, edge, 200001)
    assert np.exp(mixture.log_density(x[:, None])).sum() * (x[1] - x[0]) == pytest.approx(1, abs=1e-9)


def test_far_away_points_have_a_finite_log_density():
    mixture = fit_mixture(low_rank_codes(0), 4, rng=np.random.default_rng(0))
    far = np.full((2, 32), 1e6)
    assert (mixture.log_density(far) < -1e9).all()
    assert np.isfinite(mixture.log_density(far)).all()
    np.testing.assert_allclose(mixture.responsibilities(far).sum(axis=1), 1)


def test_samples_have_the_mixtures_moments_and_stay_near_the_codes_subspace():
    codes = low_rank_codes(4)
    mixture = fit_mixture(codes, 4, rng=np.random.default_rng(0))
    samples = mixture.sample(20000, np.random.default_rng(1))
    mean = mixture.weights @ mixture.means
    spread = np.sqrt(np.trace(np.cov(codes, rowvar=False)))
    np.testing.assert_allclose(samples.mean(axis=0), mean, atol=0.03 * spread)
    np.testing.assert_allclose(
        np.cov(samples, rowvar=False), np.cov(codes, rowvar=False), atol=0.03 * np.cov(codes, rowvar=False).max()
    )
    _, _, axes = np.linalg.svd(codes - codes.mean(axis=0))
    outside = (samples - codes.mean(axis=0)) @ axes[3:].T
    assert outside.std() < 2e-3 * spread
    assert len(set(mixture.responsibilities(samples[:50]).argmax(axis=1).tolist())) == 4  # in random order


def test_an_empty_component_keeps_its_place_and_harms_nothing():
    x = low_rank_codes(0, samples=50, rank=2, latent=2)
    start = module._start(x, 2, np.random.default_rng(0), 1e-6)
    after = module._maximize(x, np.array([[1.0, 0.0]] * 50), start, 1e-6)
    assert after.weights.tolist() == [1.0, 0.0]
    np.testing.assert_array_equal(after.means[1], start.means[1])
    np.testing.assert_array_equal(after.eigenvalues[1], start.eigenvalues[1])
    joint = module._log_joint(x, after)
    assert (joint[:, 1] == -np.inf).all()
    np.testing.assert_array_equal(module._log_sum_exp(joint), joint[:, 0])


def test_same_seed_same_mixture_and_codes_untouched():
    codes = low_rank_codes(0).astype(np.float32)
    codes.setflags(write=False)
    one, two = (fit_mixture(codes, 4, rng=np.random.default_rng(7)) for _ in range(2))
    assert one.log_likelihoods == two.log_likelihoods
    np.testing.assert_array_equal(one.covariances, two.covariances)
    np.testing.assert_array_equal(one.sample(5, np.random.default_rng(1)), two.sample(5, np.random.default_rng(1)))


@pytest.mark.parametrize(
    ("codes", "options", "error", "message"),
    [
        (np.ones((9, 2)), {}, ValueError, "do not vary"),
        (np.eye(3), {"components": 4}, ValueError, "distinct points, got 3"),
        (np.full((9, 2), np.nan), {}, ValueError, "fit_mixture: codes must be finite"),
        (np.eye(3), {"components": 0}, ValueError, "components must be an integer"),
        (np.eye(3), {"components": 2, "regularization": 0.0}, ValueError, "regularization must be in"),
        (np.eye(3), {"components": 2, "tolerance": -1.0}, ValueError, "tolerance must be"),
        (np.eye(3), {"components": 2, "max_iterations": 0}, ValueError, "max_iterations must be"),
        (np.eye(3), {"components": 2, "rng": 0}, TypeError, "rng must be a numpy.random.Generator"),
    ],
)
def test_bad_arguments_are_named(codes, options, error, message):
    with pytest.raises(error, match=message):
        fit_mixture(codes, **{"rng": np.random.default_rng(0)} | options)


def test_bad_points_and_counts_are_named():
    mixture = fit_mixture(np.eye(3), 2, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="log_density: x must have 3 columns"):
        mixture.log_density(np.ones((2, 4)))
    with pytest.raises(ValueError, match="sample: count must"):
        mixture.sample(0, np.random.default_rng(0))
    with pytest.raises(TypeError, match="sample: rng must"):
        mixture.sample(3, None)
