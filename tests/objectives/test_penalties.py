"""Penalties: the gradients of L1, L2 and the nuclear norm, also where entries vanish or singular values repeat.

A complex step cannot go through an SVD, whose phases are not analytic. The sum of singular
values is: `||W||_* = tr(P' W)`, where P is the polar factor, the limit of `X <- (X + X^-T) / 2` from X = W.
That iteration uses inverses and transposes only, so it takes a complex W, and shares
nothing with the code under test. It stands in for complex arguments.
"""

import numpy as np
import pytest
from objective_check import check_objective, tiny_images, tiny_model

from minirmae.gradcheck import check
from minirmae.objectives import recipe
from minirmae.objectives.penalties import mean_absolute, mean_square, nuclear_norm, reconstruction_with_penalty

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


RNG = np.random.default_rng(0)


def analytic_nuclear_norm(W):
    """The sum of singular values of an invertible matrix and its gradient, both analytic in W."""
    P = W
    for _ in range(40):
        P = (P + np.linalg.inv(P).T) / 2
    return (P * W).sum(), lambda dloss=1.0: P * dloss


def with_complex_step(W):
    return analytic_nuclear_norm(W) if np.iscomplexobj(W) else nuclear_norm(W)


def with_values(values, shape=(4, 4)):
    """A matrix with these singular values and random vectors."""
    U, V = (np.linalg.qr(RNG.normal(size=(size, len(values))))[0] for size in shape)
    return (U * values) @ V.T


def test_the_gradient_of_every_parameter_is_exact_with_a_nuclear_norm(monkeypatch):
    monkeypatch.setattr("minirmae.objectives.penalties.nuclear_norm", with_complex_step)
    report = check_objective("lorae", {"weight": 0.5}).require()
    assert {row.method for row in report.rows if row.rung == "derivative"} == {"complex step"}


@pytest.mark.parametrize("values", [(4.0, 2.0, 1.0, 0.5), (3.0, 3.0, 1.0, 1.0), (2.0, 2.0, 2.0, 2.0)])
def test_the_gradient_is_exact_also_where_values_repeat(values):
    check(with_complex_step, with_values(values)).require()


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (1, 4)])
def test_matrices_need_not_be_square(shape):
    W = with_values(np.arange(1.0, 1 + min(shape)), shape)
    value, backward = nuclear_norm(W)
    assert value == pytest.approx(sum(range(1, 1 + min(shape))), rel=1e-14)
    # Homogeneous of degree 1, so <gradient, W> is the value; and the dual norm of the gradient is 1.
    assert np.sum(backward() * W) == pytest.approx(value, rel=1e-13)
    assert np.linalg.norm(backward(), 2) == pytest.approx(1, rel=1e-13)


def test_values_of_zero_get_no_gradient_and_what_is_left_is_a_subgradient():
    W = with_values([3.0, 1.0])
    value, backward = nuclear_norm(W)
    gradient = backward()
    np.testing.assert_allclose(np.linalg.svd(gradient, compute_uv=False), [1, 1, 0, 0], atol=1e-14)
    for _ in range(20):
        other = W + RNG.normal(size=W.shape)
        assert nuclear_norm(other)[0] >= value + np.sum(gradient * (other - W))
    np.testing.assert_array_equal(nuclear_norm(np.zeros((3, 3)))[1](), 0)


@pytest.mark.parametrize("sabotage", [lambda g: -g, lambda g: g.T, lambda g: 0 * g, lambda g: 2 * g])
def test_a_wrong_gradient_is_caught(sabotage, monkeypatch):
    def wrong(W):
        value, backward = with_complex_step(W)
        return value, lambda dloss: sabotage(backward(dloss))

    monkeypatch.setattr("minirmae.objectives.penalties.nuclear_norm", wrong)
    assert check_objective("lorae", {"weight": 0.5}, rungs=["derivative"]).verdict == "fail"


def test_pytorch_agrees():
    torch = pytest.importorskip("torch")
    W = with_values([4.0, 2.0, 1.0, 0.5])
    tensor = torch.tensor(W, requires_grad=True)
    norm = torch.linalg.matrix_norm(tensor, "nuc")
    norm.backward()
    value, backward = nuclear_norm(W)
    assert value == pytest.approx(norm.item(), rel=1e-12)
    np.testing.assert_allclose(backward(), tensor.grad.numpy(), rtol=1e-6, atol=1e-12)


def test_the_loss_is_the_error_plus_the_weighted_norm_of_the_layer():
    model, settings = tiny_model("lorae", {"weight": 0.5})
    x = tiny_images()
    loss, _ = recipe("lorae").objective(settings)(model, x, None)
    W = model.bottleneck.parameters["W"].value[0]
    expected = np.mean((model.reconstruct(x) - x) ** 2) + 0.5 * np.linalg.norm(W, "nuc")
    assert loss == pytest.approx(expected, rel=1e-14)


def test_what_cannot_be_used_is_refused():
    with pytest.raises(ValueError, match="objective lorae: weight must be at least 0"):
        recipe("lorae").complete({"weight": -1.0})
    with pytest.raises(ValueError, match="needs exactly one linear layer that is trained, got linear_layers=2"):
        tiny_model("lorae", linear_layers=2)
    with pytest.raises(TypeError, match="nuclear_norm: W must hold real floats, got complex128"):
        nuclear_norm(np.eye(2, dtype=complex))
    with pytest.raises(ValueError, match="nuclear_norm: W must have 2 axes"):
        nuclear_norm(np.zeros(3))
