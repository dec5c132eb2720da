import numpy as np
import pytest

from minirmae.theory.lab.completion import CompletionProblem, random_completion


def test_the_problem_is_as_described():
    problem = random_completion(np.random.default_rng(0), 9, 3, 40)
    assert problem.observed.sum() == 40
    s = np.linalg.svd(problem.matrix, compute_uv=False)
    assert (s > 1e-10 * s[0]).sum() == 3
    np.testing.assert_allclose(np.linalg.norm(problem.matrix), 9)


def test_the_loss_sees_only_what_is_observed_and_its_gradient_is_its_derivative():
    rng = np.random.default_rng(1)
    problem = random_completion(rng, 4, 1, 9)
    loss = problem.loss()
    W, V = rng.normal(size=(2, 4, 4))
    value, G = loss(W)
    np.testing.assert_allclose(value, ((W - problem.matrix)[problem.observed] ** 2).sum() / 2)
    assert not G[~problem.observed].any()
    np.testing.assert_allclose((G * V).sum(), (loss(W + 1e-4 * V)[0] - loss(W - 1e-4 * V)[0]) / 2e-4, rtol=1e-8)


def test_an_entry_that_is_not_observed_may_be_unknown():
    problem = CompletionProblem(np.array([[1.0, np.nan]]), np.array([[True, False]]))
    value, G = problem.loss()(np.array([[3.0, 5.0]]))
    assert value == 2.0
    assert G.tolist() == [[2.0, 0.0]]


def test_the_error_is_relative_to_what_was_not_observed():
    problem = CompletionProblem(np.array([[3.0, 4.0, 7.0]]), np.array([[False, False, True]]))
    assert problem.unobserved_error(np.zeros((1, 3))) == 1.0
    assert problem.unobserved_error(np.array([[3.0, 4.5, 0.0]])) == 0.1


@pytest.mark.parametrize("arguments", [(4, 5, 3), (4, 1, 16), (4, 0, 3), (0, 1, 1)])
def test_impossible_problems_are_refused(arguments):
    with pytest.raises(ValueError, match="random_completion"):
        random_completion(np.random.default_rng(0), *arguments)
