import numpy as np
import pytest

from minirmae.theory import t07_matrix_completion as matrix_completion
from minirmae.theory.lab.completion import random_completion
from minirmae.theory.t07_matrix_completion import check, completion_rate, one_layer_completion, train_completion


def verdicts(checks):
    names = {check.name for check in checks}
    return {name: all(check.passed for check in checks if check.name == name) for name in names}


def test_every_check_passes_on_a_few_problems(monkeypatch):
    monkeypatch.setattr(matrix_completion, "SEEDS", 3)
    monkeypatch.setattr(matrix_completion, "STEPS", 5000)
    checks = check(seed=0)
    assert len(verdicts(checks)) == 7
    assert all(check.passed for check in checks), checks
    assert {check.seed for check in checks} == {0, 1, 2}


@pytest.mark.parametrize("seed", [8, 12])  # the problems of the full check on which depth fails
def test_the_quick_check_passes(seed):
    assert all(check.passed for check in check(seed=seed, quick=True))


def test_a_depth_can_be_chosen(monkeypatch):
    monkeypatch.setattr(matrix_completion, "STEPS", 4000)
    assert len(verdicts(check(depth=1, quick=True))) == 3
    assert verdicts(check(depth=5, quick=True))["median error, three layers and more"]


def test_one_layer_by_its_definition():
    problem = random_completion(np.random.default_rng(0), 5, 1, 11)
    W = start = np.random.default_rng(1).normal(size=(5, 5))
    for _ in range(3):
        W = W - 0.3 * np.where(problem.observed, W - problem.matrix, 0)
    np.testing.assert_allclose(one_layer_completion(np.array([0, 3]), start, problem, 0.3), [start, W], atol=1e-14)
    with pytest.raises(ValueError, match="converges for rates in"):
        one_layer_completion(np.array([1]), start, problem, 2.0)


def test_every_depth_starts_from_the_same_matrix():
    rng = np.random.default_rng(0)
    problem, start = random_completion(rng, 6, 2, 20), 0.1 * rng.normal(size=(6, 6))
    for depth in (1, 2, 4):
        run = train_completion(problem, start, depth, 4, every=2)
        np.testing.assert_allclose(run.matrices[0], start, atol=1e-14)
        assert run.steps.tolist() == [0, 2, 4]
        assert run.losses[-1] < run.losses[0]


def test_the_rate_is_half_the_inverse_curvature():
    problem = random_completion(np.random.default_rng(0), 6, 2, 20)
    s = np.linalg.svd(problem.matrix, compute_uv=False)[0]
    np.testing.assert_allclose([completion_rate(problem, N) for N in (1, 2, 4)], [0.5, 0.25 / s, 0.125 / s**1.5])
    with pytest.raises(ValueError, match="depth"):
        completion_rate(problem, 0)


def test_a_large_start_is_reported(monkeypatch):
    # From a start of ordinary size there is no bias to low rank.
    right = matrix_completion.train_completion
    large = lambda problem, start, *rest: right(problem, 1e3 * start, *rest)  # noqa: E731
    monkeypatch.setattr(matrix_completion, "train_completion", large)
    found = verdicts(check(depth=3, quick=True))
    assert not found["median error, three layers and more"]
    assert not found["median effective rank, three layers and more"]


def test_a_wrong_decay_of_one_layer_is_reported(monkeypatch):
    right = matrix_completion.one_layer_completion
    monkeypatch.setattr(
        matrix_completion, "one_layer_completion", lambda steps, start, problem, rate: right(steps, start, problem, 0.4)
    )
    assert not verdicts(check(depth=1, quick=True))["N = 1, closed form of every entry"]


def test_a_certificate_that_is_too_large_is_reported(monkeypatch):
    from dataclasses import replace

    right = matrix_completion.minimum_nuclear_norm
    monkeypatch.setattr(
        matrix_completion,
        "minimum_nuclear_norm",
        lambda *a, **k: (lambda found: replace(found, dual=1.5 * found.dual))(right(*a, **k)),
    )
    found = verdicts(check(quick=True))
    assert not found["smallest nuclear norm, certified below and above"]
    assert not found["nuclear norm of what is trained, certified bound"]


def test_the_figure_has_axes_with_names_lines_and_points(monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(matrix_completion, "STEPS", 500)
    drawing = matrix_completion.figure()
    assert [axis.get_xlabel() for axis in drawing.axes] == ["steps of gradient descent", "layers N"]
    for axis in drawing.axes:
        assert axis.get_ylabel()
        assert {line.get_linestyle() != "None" for line in axis.lines} == {True, False}
