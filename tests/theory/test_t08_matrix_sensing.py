from dataclasses import replace

import numpy as np
import pytest

from minirmae.theory import t08_matrix_sensing as matrix_sensing
from minirmae.theory.lab.entropic import entropic_limit
from minirmae.theory.t08_matrix_sensing import (
    check,
    common_eigenvectors,
    eigenvalue_flow,
    random_sensing,
    sensing_flow,
    sensing_loss,
)

LIMIT, WAY = "eigenvalues in the limit, at finite alpha", "eigenvalues on the way"


def verdicts(checks):
    names = {check.name for check in checks}
    return {name: all(check.passed for check in checks if check.name == name) for name in names}


def test_every_check_passes_on_another_seed_too():
    checks = check(seed=20)
    assert len(checks) == 57
    assert all(check.passed for check in checks), checks
    assert len({check.seed for check in checks}) == 3
    assert sum(check.speedup is not None for check in checks) == 9


def test_common_eigenvectors_of_commuting_matrices():
    A, _ = random_sensing(np.random.default_rng(0), 5, 3)
    O, a = common_eigenvectors(A)
    np.testing.assert_allclose(np.einsum("ai,ki,bi->kab", O, a, O), A, atol=1e-13)
    np.testing.assert_allclose(O.T @ O, np.eye(5), atol=1e-13)


def test_matrices_that_do_not_commute_are_refused():
    rng = np.random.default_rng(0)
    A = rng.normal(size=(2, 3, 3))
    with pytest.raises(ValueError, match="must be symmetric"):
        common_eigenvectors(A)
    with pytest.raises(ValueError, match="must commute; otherwise the flow has no known limit"):
        common_eigenvectors(A + A.swapaxes(1, 2))


def test_the_gradient_is_the_derivative_of_the_loss():
    rng = np.random.default_rng(2)
    A, y = random_sensing(rng, 4, 2)
    loss = sensing_loss(A, y)
    X, V = rng.normal(size=(2, 4, 4))
    slope = (loss(X + 1e-4 * V)[0] - loss(X - 1e-4 * V)[0]) / 2e-4
    np.testing.assert_allclose((loss(X)[1] * V).sum(), slope, rtol=1e-8)


def test_two_tied_layers_are_the_symmetric_factorisation_at_half_its_speed():
    # U' = -(dL/dX + dL/dX^T) U = -2 G U, integrated here by small steps of a midpoint rule.
    A, y = random_sensing(np.random.default_rng(1), 4, 2)
    U, h = 0.3 * np.eye(4), 1e-3

    def slope(U):
        return -2 * sensing_loss(A, y)(U @ U.T)[1] @ U

    for _ in range(500):
        U = U + h * slope(U + h / 2 * slope(U))
    X, _ = sensing_flow(A, y, 0.3, np.array([0.0, 1.0]))
    np.testing.assert_allclose(X[-1], U @ U.T, atol=1e-5)


def test_the_small_flow_starts_at_alpha_and_ends_at_the_limit():
    A, y = random_sensing(np.random.default_rng(3), 5, 2)
    _, a = common_eigenvectors(A)
    x = eigenvalue_flow(a, y, 2.0, np.array([0.0, 200.0]))
    np.testing.assert_allclose(x[0], np.exp(-4.0))
    np.testing.assert_allclose(x[-1], entropic_limit(a, y, 2.0).x, atol=1e-10)


def test_a_start_of_zero_is_refused():
    with pytest.raises(ValueError, match=r"alpha must be positive, got 0\.0"):
        sensing_flow(*random_sensing(np.random.default_rng(0), 3, 1), 0.0, np.array([0.0, 1.0]))


def test_the_limit_of_another_alpha_is_reported(monkeypatch):
    right = matrix_sensing.entropic_limit
    monkeypatch.setattr(matrix_sensing, "entropic_limit", lambda a, y, scale: right(a, y, scale + 0.01))
    found = verdicts(check(quick=True))
    assert not found[LIMIT]
    assert found[WAY]


def test_a_start_that_is_not_a_multiple_of_the_identity_is_reported(monkeypatch):
    right = matrix_sensing.linear_network
    tilt = np.diag([1.0, 1.1, 1.0, 1.0])
    monkeypatch.setattr(matrix_sensing, "linear_network", lambda factors: right([tilt @ factor for factor in factors]))
    found = verdicts(check(quick=True))
    assert not found[LIMIT]
    assert not found[WAY]
    assert not found["eigenvectors do not move"]


def test_measurements_that_do_not_commute_are_reported(monkeypatch):
    right = matrix_sensing.sensing_loss
    turn = np.zeros((2, 4, 4))
    turn[1, 0, 1] = turn[1, 1, 0] = 0.1
    monkeypatch.setattr(matrix_sensing, "sensing_loss", lambda A, y: right(A + turn, y))
    found = verdicts(check(quick=True))
    assert not found[LIMIT]
    assert not found["eigenvectors do not move"]


def test_a_limit_far_from_the_smallest_trace_is_reported(monkeypatch):
    right = matrix_sensing.entropic_limit
    monkeypatch.setattr(matrix_sensing, "entropic_limit", lambda a, y, scale: right(a, y, min(scale, 5.0)))
    assert not verdicts(check(quick=True))["trace at alpha = exp(-100000), best vertex"]


def test_multipliers_that_certify_too_much_are_reported(monkeypatch):
    right = matrix_sensing.smallest_sum_bound
    monkeypatch.setattr(matrix_sensing, "smallest_sum_bound", lambda a, y, limit: 2 * right(a, y, limit))
    assert not verdicts(check(quick=True))["trace, certified bound"]
    worthless = lambda a, y, limit: right(a, y, replace(limit, nu=0 * limit.nu))  # noqa: E731
    monkeypatch.setattr(matrix_sensing, "smallest_sum_bound", worthless)
    assert not verdicts(check(quick=True))["trace above its certified bound"]


def test_the_figure_has_axes_with_names_lines_and_points():
    pytest.importorskip("matplotlib")
    drawing = matrix_sensing.figure(seed=1)
    assert len(drawing.axes) == 2
    for axis in drawing.axes:
        assert axis.get_xlabel()
        assert axis.get_ylabel()
        assert {line.get_linestyle() != "None" for line in axis.lines} == {True, False}
