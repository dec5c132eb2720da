import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirmae.measures.rank import (
    covariance_spectrum,
    effective_rank,
    numerical_rank,
    participation_ratio,
    product_spectrum,
    stable_rank,
    summarize,
)

spectra = st.lists(st.just(0.0) | st.floats(1e-12, 1e12), min_size=1, max_size=40).map(np.array)


def measures(singular_values):
    eigenvalues = singular_values**2
    return [
        stable_rank(singular_values),
        participation_ratio(eigenvalues),
        effective_rank(eigenvalues),
        effective_rank(singular_values),
        numerical_rank(singular_values, 0),
    ]


@given(spectra)
def test_the_measures_are_ordered(singular_values):
    values = measures(singular_values)
    for smaller, larger in itertools.pairwise(values):
        assert smaller <= larger * (1 + 1e-12)
    assert values[0] >= (1 if singular_values.any() else 0)


@given(spectra, st.integers(-200, 200))
def test_the_measures_ignore_a_power_of_two_and_the_order(singular_values, exponent):
    assert measures(np.ldexp(singular_values, exponent // 2)) == measures(singular_values)
    np.testing.assert_allclose(measures(singular_values[::-1]), measures(singular_values), rtol=1e-12)


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e300])
def test_no_measure_over_or_underflows(scale):
    spectrum = scale * np.array([1.0, 1.0, 1.0, 0.0])
    for measure in (stable_rank, participation_ratio, effective_rank):
        assert measure(spectrum) == pytest.approx(3, rel=1e-14)
    assert numerical_rank(spectrum, 0.5) == 3


def test_zero_has_rank_zero():
    assert measures(np.zeros(4)) == [0, 0, 0, 0, 0]


def test_known_values_and_which_power_each_measure_takes():
    s = np.array([4.0, 2.0, 2.0])
    assert stable_rank(s) == 24 / 16
    assert participation_ratio(s**2) == pytest.approx(24**2 / (256 + 16 + 16), rel=1e-15)
    # p = 1/2, 1/4, 1/4 has entropy 3/2 ln 2
    assert effective_rank(s) == pytest.approx(2**1.5, rel=1e-15)
    # p = 2/3, 1/6, 1/6 has entropy ln 6 - 2/3 ln 4
    assert effective_rank(s**2) == pytest.approx(6 / 4 ** (2 / 3), rel=1e-15)


def test_numerical_rank_counts_strictly_above_the_fraction_of_the_largest():
    spectrum = [8.0, 4.0, 1.0, 0.0]
    assert [numerical_rank(spectrum, t) for t in (0, 0.1, 0.125, 0.4, 0.5)] == [3, 3, 2, 2, 1]


@pytest.mark.parametrize("threshold", [-0.1, 1.0, 2.0, np.nan])
def test_a_threshold_is_a_fraction(threshold):
    with pytest.raises(ValueError, match="numerical_rank: threshold must be a fraction"):
        numerical_rank([1.0], threshold)


@pytest.mark.parametrize("measure", [stable_rank, participation_ratio, effective_rank])
@pytest.mark.parametrize("bad", [[], [[1.0, 2.0]], [1.0, np.nan], [1.0, np.inf], [1.0, -1e-9]])
def test_a_bad_spectrum_is_named(measure, bad):
    name = "eigenvalues" if measure is participation_ratio else "singular_values"
    with pytest.raises(ValueError, match=f"{measure.__name__}: {name} must"):
        measure(bad)
    with pytest.raises(TypeError, match="complex"):
        measure(np.array([1j]))


def test_covariance_spectrum_is_numpys():
    codes = np.random.default_rng(0).normal(5.0, 1.0, (100, 7)) * np.arange(1, 8)
    expected = np.linalg.eigvalsh(np.cov(codes, rowvar=False))[::-1]
    np.testing.assert_allclose(covariance_spectrum(codes), expected, rtol=1e-12)


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.floats(1e-3, 1e3))
def test_covariance_spectrum_follows_scale_and_ignores_rotation_and_shift(seed, rank, scale):
    rng = np.random.default_rng(seed)
    codes = rng.normal(size=(20, rank)) @ rng.normal(size=(rank, 8))
    rotation, _ = np.linalg.qr(rng.normal(size=(8, 8)))
    expected = covariance_spectrum(codes)
    moved = covariance_spectrum(scale * codes @ rotation + 3 * scale)
    np.testing.assert_allclose(moved, scale**2 * expected, rtol=0, atol=1e-12 * scale**2 * expected[0])
    assert (moved >= 0).all()
    assert (np.diff(moved) <= 0).all()
    assert numerical_rank(moved, 1e-12) <= rank


def test_product_spectrum_of_a_stack():
    rng = np.random.default_rng(0)
    left, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    right, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    s = np.array([5.0, 1.0, 1e-3, 0.0])
    matrix = left[:, :4] * s @ right
    np.testing.assert_allclose(product_spectrum(matrix), s, atol=1e-14)
    np.testing.assert_allclose(product_spectrum(matrix.T), s, atol=1e-14)
    assert product_spectrum(matrix.astype(np.float32)).dtype == np.float64


@pytest.mark.parametrize(
    ("matrix", "error"),
    [
        (np.ones(3), ValueError),
        (np.ones((2, 2), int), TypeError),
        (np.ones((2, 2), complex), TypeError),
        (np.full((2, 2), np.nan), ValueError),
        (np.ones((0, 3)), ValueError),
    ],
)
def test_a_bad_matrix_is_named(matrix, error):
    with pytest.raises(error, match="product_spectrum: matrix"):
        product_spectrum(matrix)


def test_summary_agrees_with_the_single_measures_and_survives_json():
    codes = np.random.default_rng(1).normal(size=(200, 4)) * [1.0, 0.5, 0.05, 0.0]
    summary = summarize(codes.astype(np.float32), thresholds=(1e-1, 1e-4))
    eigenvalues = np.array(summary.eigenvalues)
    np.testing.assert_array_equal(eigenvalues, covariance_spectrum(codes.astype(np.float32)))
    assert (summary.samples, summary.latent) == (200, 4)
    assert summary.numerical_ranks == {1e-1: 2, 1e-4: 3}
    assert summary.effective_rank == effective_rank(np.sqrt(eigenvalues))
    assert summary.effective_rank_eigenvalues == effective_rank(eigenvalues)
    assert summary.stable_rank == pytest.approx(eigenvalues.sum() / eigenvalues[0], rel=1e-14)
    assert summary.participation_ratio == participation_ratio(eigenvalues)
    back = json.loads(json.dumps(summary.to_json()))
    assert back["numerical_ranks"] == {"0.1": 2, "0.0001": 3}
    assert tuple(back["eigenvalues"]) == summary.eigenvalues
    assert set(back) == set(vars(summary))


def test_codes_that_do_not_vary_have_rank_zero():
    summary = summarize(np.full((1000, 3), 0.1))
    assert summary.numerical_ranks == {1e-2: 0, 1e-3: 0, 1e-4: 0}
    assert (summary.effective_rank, summary.stable_rank, summary.participation_ratio) == (0, 0, 0)
