import numpy as np
import pytest

from minirmae.theory.lab.losses import log_cosh_loss


def test_the_gradient_is_the_derivative():
    rng = np.random.default_rng(0)
    loss, W, direction = log_cosh_loss(rng.normal(size=(3, 2))), rng.normal(size=(3, 2)), rng.normal(size=(3, 2))
    h = 1e-5
    slope = (loss(W + h * direction)[0] - loss(W - h * direction)[0]) / (2 * h)
    assert (loss(W)[1] * direction).sum() == pytest.approx(slope, rel=1e-8)


def test_small_errors_are_squared_and_large_ones_are_not():
    loss = log_cosh_loss(np.zeros((1, 1)))
    assert loss(np.array([[1e-4]]))[0] == pytest.approx(0.5e-8, rel=1e-6)
    assert loss(np.array([[-1e4]]))[0] == pytest.approx(1e4 - np.log(2), rel=1e-12)
