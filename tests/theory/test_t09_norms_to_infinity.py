import itertools

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from minirmae.measures.rank import effective_rank
from minirmae.theory import t09_norms_to_infinity as norms_to_infinity
from minirmae.theory.t09_norms_to_infinity import (
    PROBLEM,
    check,
    effective_rank_bound,
    norm_flow,
    rank_one_distance_bound,
    small_start,
    unobserved_entry_bound,
)

ENTRY = "|w_11| over its bound"
near = st.floats(-0.5, 0.5)


def verdicts(checks):
    names = {check.name for check in checks}
    return {name: all(check.passed for check in checks if check.name == name) for name in names}


def test_every_check_passes_on_another_seed_too(monkeypatch):
    monkeypatch.setattr(norms_to_infinity, "DEPTHS", (2, 3))
    checks = check(seed=3)
    assert len(checks) == 18
    assert all(check.passed for check in checks), checks
    assert {check.seed for check in checks} == {3, 4}


def test_a_depth_can_be_chosen_but_not_one():
    assert {check.note for check in check(depth=2, quick=True)} == {"N = 2"}
    with pytest.raises(ValueError, match="depth must be an integer of at least 2, got 1"):
        check(depth=1)


@settings(max_examples=300, deadline=None)
@given(near, near, near, st.floats(1e-9, 3), st.booleans())
@example(0.1, 0.1, 0.3, 1e-9, False)
def test_the_bounds_hold_for_every_matrix_of_positive_determinant(p, q, r, more, negative):
    # Any w_11 beyond w_12 w_21 / w_22, on the side of w_22, makes det W > 0.
    assume(abs(r) > 1e-3)
    w12, w21, w22 = 1 - p, 1 - q, -r if negative else r
    W = np.array([[w12 * w21 / w22 * (1 + more), w12], [w21, w22]])
    loss, _ = PROBLEM.loss()(W)
    assume(1e-8 < loss <= 0.25)
    assert abs(W[0, 0]) > unobserved_entry_bound(loss) * (1 - 1e-12)
    s = np.linalg.svd(W, compute_uv=False)
    assert s[1] < rank_one_distance_bound(loss)
    assert effective_rank(s) < effective_rank_bound(loss)


@pytest.mark.parametrize("loss", [1e-8, 1e-3, 0.1, 0.25])
def test_the_bound_on_the_entry_is_the_best_possible(loss):
    # Brute force over a grid of residuals of that loss: the smallest |w_11| on the boundary det W = 0.
    p, q = np.meshgrid(np.linspace(0, 1, 801), np.linspace(0, 1, 801))
    p, q = p * min(1, np.sqrt(2 * loss)), q * min(1, np.sqrt(2 * loss))
    rest = 2 * loss - p**2 - q**2
    smallest = ((1 - p) * (1 - q) / np.sqrt(np.where(rest > 0, rest, np.nan)))[rest > 0].min()
    bound = unobserved_entry_bound(loss)
    assert bound <= smallest * (1 + 1e-12)
    np.testing.assert_allclose(bound, smallest, rtol=1e-4)


def test_the_bounds_in_the_limit():
    L = np.array([1e-8, 1e-12])
    np.testing.assert_allclose(unobserved_entry_bound(L) * np.sqrt(2 * L), 1, atol=1e-3)
    np.testing.assert_allclose((effective_rank_bound(L) - 1) / (2 * L * (1 - np.log(2 * L))), 1, rtol=1e-3)


@pytest.mark.parametrize("bound", [unobserved_entry_bound, rank_one_distance_bound, effective_rank_bound])
@pytest.mark.parametrize("loss", [0.0, 0.26, -1.0, np.nan])
def test_a_loss_outside_the_derivation_is_refused(bound, loss):
    with pytest.raises(ValueError, match=r"the bound holds for losses in \(0, 1/4\]"):
        bound(loss)


def test_starts_outside_the_theorem_are_refused():
    times = np.array([0.0, 1.0])
    with pytest.raises(ValueError, match="the theorem needs N >= 2"):
        norm_flow([np.eye(2)], times)
    with pytest.raises(ValueError, match="needs a start with det W > 0"):
        norm_flow([np.eye(2), np.diag([1.0, -1.0])], times)


@pytest.mark.parametrize("depth", [2, 3, 5])
@pytest.mark.parametrize("seed", range(4))
def test_the_start_is_balanced_small_and_of_positive_determinant(depth, seed):
    factors = small_start(seed, depth)
    assert len(factors) == depth
    assert np.prod(np.linalg.det(np.stack(factors))) > 0
    for before, after in itertools.pairwise(factors):
        np.testing.assert_allclose(after.T @ after, before @ before.T, atol=1e-12)


def test_the_spectrum_is_that_of_the_product():
    run = norm_flow(small_start(0, 3), np.array([0.0, 1.0, 2.0]))
    np.testing.assert_allclose(run.spectra, np.linalg.svd(run.matrices, compute_uv=False), rtol=1e-8)
    np.testing.assert_allclose(run.determinants, np.linalg.det(run.matrices), rtol=1e-8)


def test_a_start_with_the_other_sign_is_reported(monkeypatch):
    # It reaches a matrix that fits, with every norm finite.
    right = norms_to_infinity.small_start

    def other(seed, depth):
        first, *rest = right(seed, depth)
        return [first * np.array([[1.0, -1.0]]), *rest]

    monkeypatch.setattr(norms_to_infinity, "small_start", other)
    with pytest.raises(ValueError, match="det W > 0"):
        check(quick=True)
    monkeypatch.setattr(norms_to_infinity, "norm_flow", lambda factors, times: norms_to_infinity._flow(factors, times))
    monkeypatch.setattr(norms_to_infinity, "_times", lambda depth: np.linspace(0, 8, 30))
    found = verdicts(check(quick=True))
    assert not found[ENTRY]
    assert not found["smallest det W"]
    assert not found["effective rank over its bound"]


@pytest.mark.parametrize(
    "name, change, broken",
    [
        ("unobserved_entry_bound", 1.1, ENTRY),
        ("rank_one_distance_bound", 1e-4, "distance to rank one over its bound"),
        ("effective_rank_bound", 0.7, "effective rank over its bound"),
    ],
)
def test_a_wrong_bound_is_reported(monkeypatch, name, change, broken):
    right = getattr(norms_to_infinity, name)
    monkeypatch.setattr(norms_to_infinity, name, lambda loss: change * right(loss))
    monkeypatch.setattr(norms_to_infinity, "_times", lambda depth: np.linspace(0, 8, 30))
    assert not verdicts(check(quick=True))[broken]


def test_one_fixed_entry_more_is_reported(monkeypatch):
    # If w_11 is observed too the norm has nowhere to go.
    full = norms_to_infinity.CompletionProblem(np.array([[2.0, 1.0], [1.0, 0.5]]), np.ones((2, 2), bool))
    monkeypatch.setattr(norms_to_infinity, "PROBLEM", full)
    monkeypatch.setattr(norms_to_infinity, "_times", lambda depth: np.linspace(0, 8, 30))
    assert not verdicts(check(quick=True))[ENTRY]


def test_the_figure_has_axes_with_names_lines_and_points(monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(norms_to_infinity, "_times", lambda depth: np.linspace(0, 8, 30))
    drawing = norms_to_infinity.figure(depth=3)
    assert len(drawing.axes) == 2
    for axis in drawing.axes:
        assert axis.get_xlabel() == "loss L"
        assert axis.get_ylabel()
        assert {line.get_linestyle() != "None" for line in axis.lines} == {True, False}
