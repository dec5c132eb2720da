import numpy as np
import pytest

from minirmae.optimizers import SGD, Adam
from minirmae.theory.lab.initial import orthonormal_columns
from minirmae.theory.lab.learning_order import START, half_steps

LAM = np.array([1.0, 0.5, 0.25])


def test_one_layer_under_descent_is_a_geometric_sequence():
    # 1 - s shrinks by 1 - rate lam at every step.
    exact = np.log(0.5 / (1 - START)) / np.log1p(-0.1 * LAM)
    np.testing.assert_allclose(half_steps(LAM, np.eye(3), 1, SGD(0.1), 100), exact, atol=0.02)


def test_descent_does_not_see_the_basis_and_adam_does():
    basis = orthonormal_columns(np.random.default_rng(0), 3, 3)
    descent = [half_steps(LAM, V, 3, SGD(0.02), 1500) for V in (np.eye(3), basis)]
    np.testing.assert_allclose(descent[0], descent[1], rtol=1e-9)
    adam = [half_steps(LAM, V, 3, Adam(0.005, epsilon=1e-100), 1500) for V in (np.eye(3), basis)]
    np.testing.assert_allclose(adam[0], adam[0][0], rtol=1e-12)
    assert adam[1].max() > 1.05 * adam[1].min()


def test_a_mode_that_is_not_learned_in_time_is_infinite_and_one_that_is_counts_from_zero():
    assert np.isinf(half_steps(LAM, np.eye(3), 2, SGD(0.01), 3)).all()


@pytest.mark.parametrize(
    "lam, basis, depth, steps, message",
    [
        (np.array([1.0, 0.0]), np.eye(2), 2, 5, "variances must be positive, got 0"),
        (np.ones(2), np.eye(3), 2, 5, "basis must have shape"),
        (np.ones((2, 2)), np.eye(2), 2, 5, "1 axes"),
        (np.ones(2), np.eye(2), 0, 5, "depth must be"),
        (np.ones(2), np.eye(2), 2, 0, "steps must be"),
    ],
)
def test_bad_arguments(lam, basis, depth, steps, message):
    with pytest.raises(ValueError, match=message):
        half_steps(lam, basis, depth, SGD(0.1), steps)
