"""The contractive autoencoder: the closed form of one layer of sigmoids, exact gradients, PyTorch."""

import numpy as np
import pytest
from objective_check import check_objective, tiny_images, tiny_model

from minirmae.layers import Flatten, Linear, LinearStack, Reshape, Sequential, Sigmoid
from minirmae.models.autoencoder import Autoencoder
from minirmae.objectives import recipe
from minirmae.ops import mean_squared_error


def one_layer(seed=0):
    """Rifai's architecture: one layer of sigmoids each way."""
    rng = np.random.default_rng(seed)
    encoder = Sequential(Flatten(), Linear(24, 5, rng=rng), Sigmoid())
    decoder = Sequential(Linear(5, 24, rng=rng), Sigmoid(), Reshape((4, 3, 2)))
    return Autoencoder(encoder, LinearStack(5, 0, rng=rng), decoder).astype(np.float64)


def objective(**settings):
    found = recipe("contractive")
    return found.objective(found.complete(settings))


@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_one_layer_of_sigmoids_has_the_closed_form(weight):
    """Value and gradient of `sum_j (z_j (1 - z_j))^2 sum_i W_ij^2`, written out by hand for this layer alone."""
    model, x = one_layer(), tiny_images()
    loss, backward = objective(weight=weight, probes=0)(model, x, None)
    backward()
    found = model.grads.copy()

    model.grads[...] = 0
    x_hat, model_backward = model(x)
    error, error_backward = mean_squared_error(x_hat, x)
    model_backward(error_backward())
    layer = model.encoder.children["1"].parameters
    z, W = model.encode(x), layer["W"].value
    slope, length = z * (1 - z), (W * W).sum(axis=0)
    norm = (slope**2 * length).sum() / len(x)
    assert loss == pytest.approx(error + weight * norm, rel=1e-14)
    # d(slope^2)/da = 2 slope^2 (1 - 2 z) for the pre-activation a.
    da = 2 * slope**2 * (1 - 2 * z) * length * weight / len(x)
    layer["W"].grad[...] += x.reshape(3, -1).T @ da + 2 * W * (slope**2).sum(axis=0) * weight / len(x)
    layer["b"].grad[...] += da.sum(axis=0)
    assert np.linalg.norm(found - model.grads) <= 1e-13 * np.linalg.norm(found)


@pytest.mark.parametrize("probes, rng_seed", [(0, None), (1, None), (1, 3), (4, 3)])
@pytest.mark.parametrize("linear_layers", [0, 2])
def test_the_gradient_of_every_parameter_is_exact(probes, rng_seed, linear_layers):
    settings = {"weight": 0.5, "probes": probes}
    report = check_objective("contractive", settings, rng_seed, linear_layers=linear_layers).require()
    assert report.largest_error("derivative") <= 1e-12
    assert {row.method for row in report.rows if row.rung == "derivative"} == {"complex step"}


def test_a_gradient_without_the_penalty_is_caught():
    def forgetful(model, x, rng):
        loss, _ = objective(weight=0.5)(model, x, rng)
        _, backward = objective(weight=0.0)(model, x, rng)
        return loss, backward

    assert not check_objective("contractive", objective=forgetful, rungs=("derivative",)).passed


@pytest.mark.parametrize("probes, rng_seed", [(0, None), (2, 3)])
def test_pytorch_agrees_from_the_same_weights(probes, rng_seed):
    torch = pytest.importorskip("torch")
    model, settings = tiny_model("contractive", {"weight": 0.5, "probes": probes})
    x = tiny_images()
    loss, backward = recipe("contractive").objective(settings)(model, x, rng_seed and np.random.default_rng(rng_seed))
    backward()
    weights = {path: torch.tensor(p.value, requires_grad=True) for path, p in model.named_parameters()}

    def mlp(y, name, first, second):
        y = torch.tanh(y @ weights[f"{name}.{first}.W"] + weights[f"{name}.{first}.b"])
        return y @ weights[f"{name}.{second}.W"] + weights[f"{name}.{second}.b"]

    pixels = torch.tensor(x).flatten(1).requires_grad_()
    z = mlp(pixels, "encoder", 1, 3)
    rows = [torch.autograd.grad(z[:, j].sum(), pixels, create_graph=True)[0] for j in range(4)]
    J = torch.stack(rows, dim=1)
    if probes:
        signs = 2 * np.random.default_rng(rng_seed).integers(0, 2, (probes, *x.shape)) - 1.0
        J = torch.einsum("noi,kni->kno", J, torch.tensor(signs).flatten(2)) / probes**0.5
    x_hat = torch.tanh(mlp(z, "decoder", 0, 2))
    expected = ((x_hat - pixels) ** 2).mean() + 0.5 * (J**2).sum() / 3
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-6)
    for path, parameter in model.named_parameters():
        if parameter.size:
            np.testing.assert_allclose(parameter.grad, weights[path].grad.numpy(), rtol=1e-6, atol=1e-12)


def test_training_makes_the_code_contract():
    def trained(weight):
        model, x = one_layer(), tiny_images(8)
        for step in range(100):
            _, backward = objective(weight=weight)(model, x, np.random.default_rng(step))
            model.grads[...] = 0
            backward()
            model.values[...] -= 0.5 * model.grads
        return objective(weight=1.0, probes=0)(model, x, None)[0]

    assert trained(0.5) < trained(0.0) / 2


def test_bad_settings_are_refused():
    for name in ("weight", "probes"):
        with pytest.raises(ValueError, match=f"objective contractive: {name} must be at least 0, got -1"):
            recipe("contractive").complete({name: -1})
    with pytest.raises(TypeError, match="probes must be an integer"):
        recipe("contractive").complete({"probes": 1.5})
