"""The probe is at the minimum of its convex loss: by the conditions of one, and beside an independent solver."""

import warnings

import numpy as np
import pytest

from minirmae.measures import fit_linear_probe, probe_predictions


def problem(count=200, n=6, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count) * 3 + 1
    centres = rng.normal(size=(3 * classes + 1, n))
    return centres[labels] + rng.normal(size=(count, n)) * np.arange(1, n + 1), labels


def stationarity(probe, codes, labels, penalty):
    """The largest entry of the gradient of the loss in W and b, computed code by code."""
    dW, db = penalty * probe.W, np.zeros_like(probe.b)
    for code, label in zip(codes, labels, strict=True):
        x = (code - probe.mean) / probe.scale
        p = np.exp(x @ probe.W + probe.b)
        error = p / p.sum() - (probe.classes == label)
        dW, db = dW + np.outer(x, error), db + error
    return max(np.abs(dW).max(), np.abs(db).max())


@pytest.mark.parametrize("penalty", [1e-3, 1.0, 100.0])
@pytest.mark.parametrize("count", [8, 200])
def test_the_gradient_vanishes(penalty, count):
    codes, labels = problem(count)
    probe = fit_linear_probe(codes, labels, penalty=penalty)
    assert stationarity(probe, codes, labels, penalty) <= 1e-8
    assert abs(probe.b.sum()) <= 1e-10


@pytest.mark.parametrize("penalty", [0.01, 1.0])
def test_scikit_learn_finds_the_same(penalty):
    linear_model = pytest.importorskip("sklearn.linear_model")
    codes, labels = problem()
    probe = fit_linear_probe(codes, labels, penalty=penalty)
    x = (codes - codes.mean(axis=0)) / np.sqrt(np.trace(np.cov(codes.T, bias=True)) / codes.shape[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = linear_model.LogisticRegression(C=1 / penalty, tol=1e-12, max_iter=10_000, solver="newton-cg")
        model.fit(x, labels)
    np.testing.assert_allclose(probe.W, model.coef_.T, atol=1e-6)
    np.testing.assert_allclose(probe.b, model.intercept_ - model.intercept_.mean(), atol=1e-6)
    np.testing.assert_array_equal(probe.predict(codes), model.predict(x))


def test_the_frequencies_are_learned_without_codes():
    """Codes that say nothing leave the intercepts, whose softmax is the frequency of each label."""
    labels = np.array([5] * 1 + [6] * 3 + [9] * 4)
    probe = fit_linear_probe(np.full((8, 2), 0.1), labels)
    assert probe.scale == 1.0
    assert probe.classes.tolist() == [5, 6, 9]
    np.testing.assert_allclose(np.exp(probe.b) / np.exp(probe.b).sum(), [1 / 8, 3 / 8, 4 / 8], rtol=1e-8)
    assert probe.predict(np.array([[0.1, 7.0]])) == 9


def test_shift_scale_and_rotation_of_the_codes_do_not_matter():
    codes, labels = problem()
    Q = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0]
    moved, straight = fit_linear_probe(1e3 * codes @ Q + 7, labels), fit_linear_probe(codes, labels)
    np.testing.assert_allclose(Q @ moved.W, straight.W, atol=1e-7)
    np.testing.assert_allclose(moved.b, straight.b, atol=1e-7)


def test_separable_codes_are_separated():
    codes, labels = problem(count=7, n=6, classes=3)
    np.testing.assert_array_equal(probe_predictions(codes, labels, codes), labels)


def test_float32_codes_are_worked_on_in_float64():
    codes, labels = problem()
    probe = fit_linear_probe(codes.astype(np.float32), labels)
    assert probe.W.dtype == np.float64
    assert stationarity(probe, codes.astype(np.float32).astype(np.float64), labels, 1.0) <= 1e-8


@pytest.mark.parametrize(
    "codes, labels, options, error, message",
    [
        (np.zeros((3, 2)), np.array([1, 1, 1]), {}, ValueError, "all 3 labels are 1"),
        (np.zeros((3, 2)), np.array([1, 2]), {}, ValueError, r"one integer for each of 3 codes, got shape \(2,\)"),
        (np.zeros((3, 2)), np.array([1.0, 2.0, 3.0]), {}, TypeError, "labels must be integers"),
        (np.zeros((3, 2), int), np.array([1, 2, 3]), {}, TypeError, "real floats"),
        (np.zeros((3, 2)), np.array([1, 2, 3]), {"penalty": 0.0}, ValueError, "must be positive"),
        (np.zeros((3, 2)), np.array([1, 2, 3]), {"tolerance": -1.0}, ValueError, "must be positive"),
    ],
)
def test_what_cannot_be_fitted(codes, labels, options, error, message):
    with pytest.raises(error, match=message):
        fit_linear_probe(codes, labels, **options)


def test_codes_of_another_width_and_a_tolerance_out_of_reach():
    codes, labels = problem()
    with pytest.raises(ValueError, match="trained on codes of width 6, got 5"):
        fit_linear_probe(codes, labels).predict(codes[:, :5])
    with pytest.raises(ValueError, match="no minimum after 100 Newton steps"):
        fit_linear_probe(codes, labels, tolerance=1e-30)
