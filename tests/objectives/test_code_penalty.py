"""The L1 and L2 baselines: their gradients, their kink, and what their sum means."""

import numpy as np
import pytest
from objective_check import check_objective, tiny_images, tiny_model

from minirmae.gradcheck import check
from minirmae.objectives import recipe
from minirmae.objectives.code_penalty import reconstruction_with_penalty
from minirmae.objectives.l1 import mean_absolute
from minirmae.objectives.l2 import mean_square

PENALTIES = {"l1": mean_absolute, "l2": mean_square}
VALUES = {"l1": lambda z: np.mean(np.abs(z)), "l2": lambda z: np.mean(z**2)}
both = pytest.mark.parametrize("name", PENALTIES)


@both
@pytest.mark.parametrize("linear_layers", [0, 2])
def test_the_gradient_of_every_parameter_is_exact(name, linear_layers):
    check_objective(name, {"weight": 3.0}, linear_layers=linear_layers).require()


@both
def test_the_penalty_is_an_op(name):
    check(PENALTIES[name], np.random.default_rng(0).normal(size=(3, 4))).require()


@both
def test_the_loss_is_the_error_plus_the_weighted_penalty_of_the_codes(name):
    model, settings = tiny_model(name, {"weight": 0.7})
    x = tiny_images()
    loss, _ = recipe(name).objective(settings)(model, x, None)
    expected = np.mean((model.reconstruct(x) - x) ** 2) + 0.7 * VALUES[name](model.encode(x))
    assert loss == pytest.approx(expected, rel=1e-14)


@both
def test_a_penalty_with_a_wrong_gradient_is_caught(name):
    def halved(z):
        value, backward = PENALTIES[name](z)
        return value, lambda dloss: backward(dloss / 2)

    report = check_objective(name, objective=reconstruction_with_penalty(halved, 1.0), rungs=["derivative"])
    assert report.verdict == "fail"


def test_the_slope_of_the_absolute_value_is_zero_at_its_kink():
    np.testing.assert_array_equal(mean_absolute(np.array([0.0, -2.0]))[1](), [0.0, -0.5])


@both
def test_a_negative_weight_is_refused(name):
    with pytest.raises(ValueError, match=f"objective {name}: weight must be at least 0, got -1.0"):
        recipe(name).complete({"weight": -1.0})
