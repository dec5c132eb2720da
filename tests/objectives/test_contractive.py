"""The contractive autoencoder: the norm of a Jacobian, exact where it is summed and unbiased where it is estimated."""

import numpy as np
import pytest
from objective_check import check_objective, tiny_images, tiny_model

from minirmae.gradcheck import check
from minirmae.layers import Conv2d, Dropout, Flatten, Linear, LinearStack, Reshape, Sequential, Sigmoid, Tanh
from minirmae.models.autoencoder import Autoencoder
from minirmae.objectives import recipe
from minirmae.objectives.contractive import random_signs, squared_jacobian, unit_vectors
from minirmae.ops import mean_squared_error

STEP = 1e-20


def small_encoder(seed=0):
    rng = np.random.default_rng(seed)
    convolution = Conv2d(2, 3, (2, 3), stride=(2, 1), padding=(1, 0), rng=rng)
    return Sequential(convolution, Tanh(), Flatten(), Linear(12, 3, rng=rng), Sigmoid()).astype(np.float64)


def images(count=2):
    return np.random.default_rng(1).random((count, 3, 4, 2))


def jacobians(layer, x):
    """dy/dx of every sample, shape (N, outputs, inputs), column by column with the complex step."""
    layer = layer.astype(complex)
    columns = []
    for k in range(x[0].size):
        stepped = x.astype(complex)
        stepped.reshape(len(x), -1)[:, k] += 1j * STEP
        columns.append(layer(stepped)[0].imag.reshape(len(x), -1) / STEP)
    return np.stack(columns, axis=2)


def as_function(layer, probes, seed):
    def function(x, *arrays):
        copy = layer.astype(x.dtype)
        parameters = [p for _, p in copy.named_parameters()]
        for parameter, array in zip(parameters, arrays, strict=True):
            parameter.value[...] = array
        rng = None if seed is None else np.random.default_rng(seed)
        (y, norm), backward = squared_jacobian([copy], x, probes, rng)

        def pull(d):
            copy.grads[...] = 0
            dx = backward(d[:-1].reshape(y.shape), d[-1])
            return dx, *(p.grad.copy() for p in parameters)

        return np.append(y.ravel(), norm), pull

    return function


def test_the_exact_norm_is_that_of_the_jacobian():
    layer, x = small_encoder(), images()
    (y, norm), _ = squared_jacobian([layer], x, 0)
    np.testing.assert_array_equal(y, layer(x)[0])
    assert norm == pytest.approx((jacobians(layer, x) ** 2).sum() / len(x), rel=1e-13)


def test_the_estimate_is_the_norm_along_its_probes():
    layer, x = small_encoder(), images()
    (_, norm), _ = squared_jacobian([layer], x, 3, np.random.default_rng(7))
    probes = random_signs(x, 3, np.random.default_rng(7)).reshape(3, len(x), -1)
    moved = np.einsum("noi,kni->kno", jacobians(layer, x), probes)
    assert norm == pytest.approx((moved**2).sum() / (3 * len(x)), rel=1e-13)


def test_the_estimate_is_unbiased_with_the_variance_of_signs():
    """Over many probes: E u'Au = tr A, and var u'Au = 2 (||A||^2 - sum A_ii^2) with A = J'J."""
    layer, x = small_encoder(), images(1)
    J = jacobians(layer, x)[0]
    A = J.T @ J
    variance = 2 * ((A**2).sum() - (np.diag(A) ** 2).sum())
    count = 20_000
    (_, estimate), _ = squared_jacobian([layer], x, count, np.random.default_rng(0))
    assert abs(estimate - np.trace(A)) <= 4 * np.sqrt(variance / count)
    assert np.sqrt(variance / count) < 0.02 * np.trace(A)


@pytest.mark.parametrize("probes, seed", [(0, None), (1, None), (3, 5)])
def test_its_gradient_passes_the_checker(probes, seed):
    layer = small_encoder()
    values = [p.value for _, p in layer.named_parameters()]
    report = check(as_function(layer, probes, seed), images(), *values).require()
    steps = [row for row in report.rows if row.rung in ("derivative", "second order")]
    assert all(row.method == "complex step" and row.error <= 1e-12 for row in steps)


def test_a_missing_factor_is_caught():
    layer = small_encoder()
    right = as_function(layer, 1, 5)

    def wrong(*arrays):
        y, backward = right(*arrays)
        return y, lambda d: backward(np.append(d[:-1], d[-1] / 2))

    values = [p.value for _, p in layer.named_parameters()]
    assert check(right, images(), *values).passed
    assert not check(wrong, images(), *values).passed


def test_evaluation_always_takes_the_same_probes():
    layer, x = small_encoder(), images()
    first, again = (squared_jacobian([layer], x, 2)[0][1] for _ in range(2))
    assert first == again
    assert first != squared_jacobian([layer], x, 2, np.random.default_rng(1))[0][1]


def test_all_directions_see_the_noise_of_the_value():
    rng = np.random.default_rng(0)
    linear = Linear(4, 3, rng=rng, dtype=np.float64)
    (y, norm), _ = squared_jacobian([linear, Dropout(0.5)], np.ones((1, 4)), 0, np.random.default_rng(3))
    kept = y[0] != 0
    assert 0 < kept.sum() < 3
    W = linear.parameters["W"].value
    assert norm == pytest.approx(4 * (W[:, kept] ** 2).sum())


def test_directions_have_the_dtype_of_the_batch():
    x = images().astype(np.float32)
    assert unit_vectors(x).dtype == random_signs(x, 2, None).dtype == np.float32
    assert unit_vectors(x).shape == (24, 2, 3, 4, 2)
    np.testing.assert_array_equal(unit_vectors(x)[:, 1].reshape(24, 24), np.eye(24))
    assert set(random_signs(x, 2, None).ravel()) == {-1.0, 1.0}


def test_an_empty_batch_has_no_mean():
    with pytest.raises(ValueError, match="the batch is empty"):
        squared_jacobian([Tanh()], np.ones((0, 3)), 1)


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
