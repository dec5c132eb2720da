"""The saturating autoencoder: complementary functions, exact gradients, codes that saturate."""

import numpy as np
import pytest
from objective_check import check_objective, tiny_images, tiny_model

from minirmae.gradcheck import check
from minirmae.gradcheck.sabotage import catalogue
from minirmae.objectives import recipe
from minirmae.objectives.saturating import ACTIVATIONS, activate, complement, saturated_linear, shrink

POINTS = np.random.default_rng(0).standard_normal((4, 5)) * 1.5
each = pytest.mark.parametrize("activation", ACTIVATIONS)


@each
@pytest.mark.parametrize("function", [activate, complement])
def test_ops_pass_the_checker_and_no_sabotage_does(activation, function):
    def op(x):
        return function(x, activation, 0.7)

    report = check(op, POINTS).require()
    assert report.largest_error("derivative") <= 1e-12
    broken = catalogue(op, POINTS)
    assert len(broken) >= 10
    assert [b.name for b in broken if check(b.function, POINTS).passed] == []


@each
def test_the_complement_is_the_distance_to_the_nearest_flat_point(activation):
    """Against the definition, on a fine grid: a point is flat if the activation is equal on both sides of it."""
    grid = np.linspace(-4, 4, 8001)
    y = activate(grid, activation, 0.7)[0]
    flat = grid[:-1][np.diff(y) == 0]
    x = np.linspace(-3, 3, 61)
    distance = np.abs(x[:, None] - flat).min(axis=1)
    np.testing.assert_allclose(complement(x, activation, 0.7)[0], distance, atol=2.1e-3)


@each
def test_the_slope_at_a_kink_is_that_of_the_flat_side(activation):
    kinks = {"relu": [0.0], "saturated-linear": [-1.0, 1.0], "shrink": [-0.7, 0.7]}[activation]
    x = np.array(kinks)
    for function in (activate, complement):
        assert not function(x, activation, 0.7)[1](np.ones(len(x))).any()


def test_shrink_without_a_threshold_is_the_identity_and_its_complement_the_l1_norm():
    np.testing.assert_array_equal(shrink(POINTS, 0.0)[0], POINTS)
    np.testing.assert_array_equal(complement(POINTS, "shrink", 0.0)[0], np.abs(POINTS))
    np.testing.assert_array_equal(saturated_linear(POINTS)[0], np.clip(POINTS, -1, 1))


@each
@pytest.mark.parametrize("rng_seed", [None, 3])
def test_the_gradient_of_every_parameter_is_exact(activation, rng_seed):
    settings = {"activation": activation, "weight": 0.3, "threshold": 0.1}
    report = check_objective("saturating", settings, rng_seed).require()
    assert report.largest_error("derivative") <= 1e-12


def test_a_gradient_without_the_penalty_is_caught():
    settings = {"activation": "relu", "weight": 0.3, "threshold": 0.1}
    objective = recipe("saturating").objective

    def forgetful(model, x, rng):
        loss, _ = objective(settings)(model, x, rng)
        _, backward = objective(settings | {"weight": 0.0})(model, x, rng)
        return loss, backward

    assert not check_objective("saturating", settings, objective=forgetful, rungs=("derivative",)).passed


@each
def test_pytorch_agrees_from_the_same_weights(activation):
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    model, settings = tiny_model("saturating", {"activation": activation, "weight": 0.3, "threshold": 0.1})
    x = tiny_images()
    loss, backward = recipe("saturating").objective(settings)(model, x, None)
    backward()
    weights = {path: torch.tensor(p.value, requires_grad=True) for path, p in model.named_parameters()}

    def mlp(y, name, first, second):
        y = torch.tanh(y @ weights[f"{name}.{first}.W"] + weights[f"{name}.{first}.b"])
        return y @ weights[f"{name}.{second}.W"] + weights[f"{name}.{second}.b"]

    pixels = torch.tensor(x).flatten(1)
    h = mlp(pixels, "encoder", 1, 3)
    z, distance = {
        "relu": lambda: (F.relu(h), F.relu(h)),
        "saturated-linear": lambda: (F.hardtanh(h), F.relu(1 - h.abs())),
        "shrink": lambda: (F.softshrink(h, 0.1), F.softshrink(h, 0.1).abs()),
    }[activation]()
    expected = ((torch.tanh(mlp(z, "decoder", 0, 2)) - pixels) ** 2).mean() + 0.3 * distance.sum() / 3
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-6)
    for path, parameter in model.named_parameters():
        np.testing.assert_allclose(parameter.grad, weights[path].grad.numpy(), rtol=1e-6, atol=1e-12)


@each
def test_a_heavier_weight_brings_codes_nearer_to_saturation(activation):
    def distance_after_training(weight):
        settings = {"activation": activation, "weight": weight, "threshold": 0.1}
        model, settings = tiny_model("saturating", settings)
        objective, x = recipe("saturating").objective(settings), tiny_images(8)
        for _ in range(200):
            _, backward = objective(model, x, None)
            model.grads[...] = 0
            backward()
            model.values[...] -= 0.05 * model.grads
        return complement(model.encode_hidden(x), activation, 0.1)[0].mean()

    assert distance_after_training(0.1) < distance_after_training(0.0) / 2


def test_codes_are_after_the_activation():
    model, _ = tiny_model("saturating", {"activation": "relu"})
    x = tiny_images()
    np.testing.assert_array_equal(model.encode(x), np.maximum(model.encode_hidden(x), 0))
    assert model.decode(model.encode(x)).shape == x.shape


def test_bad_settings_are_refused():
    for name in ("weight", "threshold"):
        with pytest.raises(ValueError, match=f"objective saturating: {name} must be at least 0, got -1"):
            recipe("saturating").complete({name: -1.0})
    with pytest.raises(ValueError, match="activation must be one of relu, saturated-linear, shrink, got 'tanh'"):
        recipe("saturating").complete({"activation": "tanh"})
    with pytest.raises(ValueError, match="activate: activation must be one of relu"):
        activate(POINTS, "tanh")
