import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirmae.theory.lab import max_margin as module
from minirmae.theory.lab.max_margin import margin_gap, max_margin, separable_data


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 7), st.integers(1, 30))
def test_any_separable_data_are_separated_with_a_proof(seed, inputs, samples):
    rng = np.random.default_rng(seed)
    X, truth = rng.normal(size=(samples, inputs)), rng.normal(size=inputs)
    Z = X * np.sign(X @ truth)[:, None]
    separator = max_margin(Z)
    # Written out here: the bound and the margin, not the library's gap.
    bound = np.linalg.norm(separator.multipliers @ Z) / separator.multipliers.sum()
    margin = (Z @ separator.direction).min() / np.linalg.norm(separator.direction)
    assert abs(bound / margin - 1) < 1e-10
    assert (separator.multipliers >= 0).all()
    assert abs(separator.gap) < 1e-10
    np.testing.assert_allclose(separator.margin, margin, rtol=1e-12)
    np.testing.assert_allclose(separator.margins.min(), 1, rtol=1e-12)
    np.testing.assert_allclose(separator.margins[separator.support], 1, rtol=1e-9)


@pytest.mark.parametrize("inputs, support", [(1, 1), (3, 1), (3, 3), (6, 4)])
def test_a_planted_separator_is_found(inputs, support):
    Z, planted = separable_data(np.random.default_rng(7), inputs, support, 5)
    found = max_margin(Z)
    np.testing.assert_allclose(found.direction, planted.direction, atol=1e-12)
    np.testing.assert_allclose(found.multipliers, planted.multipliers, atol=1e-12)
    np.testing.assert_array_equal(found.support, np.arange(support))
    np.testing.assert_allclose(found.next_margin, planted.margins[support:].min())


def test_the_planted_separator_solves_its_optimality_conditions():
    Z, planted = separable_data(np.random.default_rng(5), 3, 3, 3)
    np.testing.assert_allclose(planted.multipliers @ Z, planted.direction, atol=1e-13)
    np.testing.assert_allclose(Z @ planted.direction, planted.margins, atol=1e-13)
    eigenvalues = np.linalg.eigvalsh((planted.multipliers * Z.T) @ Z)
    assert eigenvalues[0] == pytest.approx(1, abs=1e-12)
    assert (eigenvalues <= 2).all()


def test_repeated_samples_and_many_on_the_margin():
    Z = np.array([[1.0, 0.5], [1.0, 0.5], [1.0, -0.5], [1.0, 0.0]])
    separator = max_margin(Z)
    np.testing.assert_allclose(separator.direction, [1, 0], atol=1e-12)
    assert np.isinf(max_margin(Z[:1]).next_margin)


def test_scale():
    Z, planted = separable_data(np.random.default_rng(1), 4, 3, 4)
    for scale in (1e-150, 1e-8, 1e8, 1e150):
        np.testing.assert_allclose(max_margin(scale * Z).direction * scale, planted.direction, atol=1e-11)


def test_the_gap_says_how_far_a_direction_is_from_the_best():
    Z = np.eye(2)
    assert margin_gap(np.array([1.0, 1.0]), np.ones(2), Z) == pytest.approx(0, abs=1e-15)
    assert margin_gap(np.array([1.0, 2.0]), np.ones(2), Z) == pytest.approx(np.sqrt(2.5) - 1)
    assert margin_gap(np.array([1.0, -2.0]), np.ones(2), Z) == np.inf
    for multipliers in (np.array([1.0, -1.0]), np.zeros(2)):
        with pytest.raises(ValueError, match="multipliers must be at least 0"):
            margin_gap(np.ones(2), multipliers, Z)


@pytest.mark.parametrize(
    "Z, error, message",
    [
        ([[1.0, 0.0], [-1.0, 0.0]], ValueError, "2 samples are not linearly separable"),
        ([[1.0, 0.0], [-1.0, 1.0], [0.0, -1.0]], ValueError, "not linearly separable"),
        ([[0.0, 0.0]], ValueError, "not linearly separable"),
        ([[np.nan, 0.0]], ValueError, "finite"),
        (np.zeros((0, 2)), ValueError, "at least one sample"),
        ([1.0, 2.0], ValueError, "2 axes"),
        ([[1, 2]], TypeError, "floats"),
    ],
)
def test_what_has_no_separator_is_refused(Z, error, message):
    with pytest.raises(error, match=message):
        max_margin(np.array(Z))


def test_more_planted_support_vectors_than_inputs_are_refused():
    with pytest.raises(ValueError, match="allow 1 to 2 support vectors, got 3"):
        separable_data(np.random.default_rng(0), 2, 3, 0)


def test_a_solver_that_stops_early_is_caught_by_the_certificate(monkeypatch):
    right = module._non_negative_least_squares

    def early(A, b):
        u = right(A, b)
        u[np.argmax(u)] = 0.0
        return u

    monkeypatch.setattr(module, "_non_negative_least_squares", early)
    Z, _ = separable_data(np.random.default_rng(0), 4, 3, 5)
    with pytest.raises(ValueError, match="relative gap"):
        max_margin(Z)
