import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirmae.theory import t14_hierarchical as hierarchical
from minirmae.theory.lab.integrator import integrate
from minirmae.theory.t01_two_layer import two_layer_half_time, two_layer_modes
from minirmae.theory.t14_hierarchical import (
    diffusion_similarities,
    tree_properties,
    tree_singular_values,
    tree_wavelets,
)


def verdicts(checks):
    return {check.name: check.passed for check in checks}


def ancestor_levels(levels):
    """Level of the nearest common ancestor of every two leaves, by walking up."""
    result = np.empty((2**levels, 2**levels), dtype=int)
    for i in range(2**levels):
        for j in range(2**levels):
            level, a, b = levels, i, j
            while a != b:
                level, a, b = level - 1, a // 2, b // 2
            result[i, j] = level
    return result


def test_every_check_passes_on_other_seeds_too():
    checks = hierarchical.check(seed=11)
    assert len(checks) == 24
    assert all(check.passed for check in checks), checks
    assert len({check.seed for check in checks}) == 3
    assert sum(check.speedup is not None for check in checks) == 3


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 3), min_size=2, max_size=6))
def test_any_tree_of_similarities_is_diagonal_in_the_wavelets(steps):
    q, levels = np.cumsum(steps), len(steps) - 1
    similarity = q[ancestor_levels(levels)]
    V, s = tree_wavelets(levels), tree_singular_values(q)
    np.testing.assert_allclose(V.T @ V, np.eye(2**levels), atol=1e-14)
    np.testing.assert_allclose(V.T @ similarity @ V, np.diag(s**2), atol=1e-12 * max(s[0] ** 2, 1))
    assert (np.diff(s) <= 0).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 5), st.floats(0, 0.49), st.floats(1e-5, 1e-1))
def test_broad_before_fine_agrees_with_the_integrator(levels, flip, s0):
    sigma = tree_singular_values(diffusion_similarities(levels, flip))
    times = np.linspace(0, 3, 5)
    exact = integrate(lambda t, s: 2 * s * (sigma - s), np.full(2**levels, s0), times).states
    np.testing.assert_allclose(two_layer_modes(times, s0, sigma), exact, atol=1e-9)


@pytest.mark.parametrize("levels", [1, 2, 3, 5])
def test_the_printed_formulas(levels):
    s = tree_singular_values(np.arange(1, levels + 2))
    assert s[0] == np.sqrt(2 ** (levels + 1) - 1)
    for m in range(levels):
        assert (s[2**m : 2 ** (m + 1)] == np.sqrt(2 ** (levels - m) - 1)).all()
    Y = tree_properties(levels)
    np.testing.assert_array_equal(Y.T @ Y, ancestor_levels(levels) + 1)


def test_half_times_of_three_levels():
    sigma = tree_singular_values([1, 2, 3, 4])[[0, 1, 2, 4]]
    np.testing.assert_allclose(two_layer_half_time(1e-4, sigma), [1.364, 1.925, 2.817, 4.605], atol=1e-3)


def test_no_flip_leaves_one_distinction_and_a_coin_leaves_no_tree():
    np.testing.assert_allclose(tree_singular_values(diffusion_similarities(2, 0.0)), [2, 0, 0, 0])
    np.testing.assert_allclose(tree_singular_values(diffusion_similarities(2, 0.5)), np.ones(4))


@pytest.mark.parametrize(
    "function, arguments, message",
    [
        (tree_properties, (0,), "tree_properties: levels must be an integer of at least 1"),
        (tree_wavelets, (1.5,), "tree_wavelets: levels must be an integer of at least 1"),
        (diffusion_similarities, (2, 0.6), "flip must be a probability of at most 1/2, got 0.6"),
        (tree_singular_values, ([1.0],), "q_0 ... q_H with H >= 1"),
        (tree_singular_values, ([1.0, np.nan],), "q_0 ... q_H with H >= 1"),
        (tree_singular_values, ([2.0, 1.0],), "closer relatives share at least as much"),
        (tree_singular_values, ([-1.0, 1.0],), "similarities must be at least 0"),
    ],
)
def test_what_the_theorem_does_not_cover_is_refused(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments)


def test_a_mean_over_items_in_place_of_the_sum_is_reported(monkeypatch):
    right = hierarchical.SGD
    monkeypatch.setattr(hierarchical, "SGD", lambda rate: right(rate / 8))
    found = verdicts(hierarchical.check(quick=True))
    assert not found["random start: half times"]
    assert found["two layers"]


def test_a_wrong_exponent_is_reported(monkeypatch):
    right = tree_singular_values
    monkeypatch.setattr(hierarchical, "tree_singular_values", lambda q: right(q) ** 2)
    monkeypatch.setattr(hierarchical, "_check_flows", lambda *_: [])
    monkeypatch.setattr(hierarchical, "_check_random_start", lambda *_: [])
    found = verdicts(hierarchical.check(quick=True))
    assert not found["singular values, one property a node"]
    assert not found["singular values, diffused properties"]


def test_an_unbalanced_start_is_reported(monkeypatch):
    right = hierarchical.flow_modes
    tilt = np.array([[1.3], [1 / 1.3]])
    monkeypatch.setattr(hierarchical, "flow_modes", lambda m, start, *rest: right(m, tilt[: len(start)] * start, *rest))
    assert not verdicts(hierarchical.check(quick=True))["two layers"]


def test_wavelets_of_another_tree_are_reported(monkeypatch):
    right = tree_wavelets
    shuffle = [0, 4, 1, 5, 2, 6, 3, 7]
    monkeypatch.setattr(hierarchical, "tree_wavelets", lambda levels: right(levels)[shuffle])
    monkeypatch.setattr(hierarchical, "_check_flows", lambda *_: [])
    monkeypatch.setattr(hierarchical, "_check_random_start", lambda *_: [])
    assert not verdicts(hierarchical.check(quick=True))["wavelets: projectors of the levels"]


def test_a_large_random_start_is_reported(monkeypatch):
    monkeypatch.setattr(hierarchical, "SCALE", 0.5)
    monkeypatch.setattr(hierarchical, "two_layer_half_time", lambda s0, sigma: two_layer_half_time(1e-8, sigma))
    found = verdicts(hierarchical.check(quick=True))
    assert not found["random start: half times"]
    assert found["two layers"]


def test_the_figure_has_axes_with_names_lines_and_points():
    pytest.importorskip("matplotlib")
    drawing = hierarchical.figure()
    assert len(drawing.axes) == 2
    for axis in drawing.axes:
        assert axis.get_xlabel().startswith("time t")
        assert axis.get_ylabel().startswith("learned share")
        assert {line.get_linestyle() != "None" for line in axis.lines} == {True, False}
