import numpy as np
import pytest

from minirmae.measures.codes import mean_and_covariance, require_generator, require_matrix, symmetric_root


def test_mean_and_covariance_equal_numpys():
    codes = np.random.default_rng(0).normal(3.0, 2.0, (50, 6))
    mean, covariance = mean_and_covariance("here", codes)
    np.testing.assert_allclose(mean, codes.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(covariance, np.cov(codes, rowvar=False), rtol=1e-12, atol=1e-14)
    assert np.array_equal(covariance, covariance.T)


def test_float32_codes_are_analysed_in_float64():
    codes = np.random.default_rng(0).normal(1000.0, 1e-3, (500, 2)).astype(np.float32)
    _, covariance = mean_and_covariance("here", codes)
    assert covariance.dtype == np.float64
    np.testing.assert_allclose(covariance, np.cov(codes.astype(float), rowvar=False), rtol=1e-9, atol=1e-18)


def test_a_column_that_does_not_vary_has_no_variance_at_all():
    codes = np.random.default_rng(0).normal(size=(1000, 2))
    codes[:, 1] = 0.1
    mean, covariance = mean_and_covariance("here", codes)
    assert mean[1] == 0.1
    assert (covariance[1] == 0).all()
    assert (covariance[:, 1] == 0).all()


def test_codes_are_neither_changed_nor_aliased():
    codes = np.ones((3, 2))
    result = require_matrix("here", "codes", codes)
    result[...] = 0
    assert (codes == 1).all()


def test_symmetric_root_squares_to_a_singular_covariance():
    basis = np.random.default_rng(0).normal(size=(2, 5))
    covariance = basis.T @ basis
    root = symmetric_root(covariance)
    np.testing.assert_allclose(root @ root, covariance, atol=1e-13)
    np.testing.assert_allclose(root, root.T, atol=1e-14)


@pytest.mark.parametrize(
    ("codes", "error", "message"),
    [
        ([[1.0, 2.0]], TypeError, "got list"),
        (np.ones((3, 2), dtype=int), TypeError, "int64"),
        (np.ones((3, 2), dtype=complex), TypeError, "complex128"),
        (np.ones(3), ValueError, r"2 axes .* got shape \(3,\)"),
        (np.ones((2, 3, 4)), ValueError, "2 axes"),
        (np.ones((1, 4)), ValueError, "at least 2 rows"),
        (np.ones((4, 0)), ValueError, r"1 column, got shape \(4, 0\)"),
        (np.array([[1.0, 2.0], [3.0, np.nan]]), ValueError, "got nan at row 1, column 1"),
        (np.array([[1.0, -np.inf], [3.0, 1.0]]), ValueError, "got -inf at row 0, column 1"),
    ],
)
def test_bad_codes_are_named(codes, error, message):
    with pytest.raises(error, match=f"(?s)here: codes must .*{message}"):
        require_matrix("here", "codes", codes, rows=2)


def test_a_seed_is_not_a_generator():
    require_generator("here", np.random.default_rng(0))
    with pytest.raises(TypeError, match=r"here: rng must be .* got int"):
        require_generator("here", 0)
