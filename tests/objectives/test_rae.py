"""The regularised autoencoders: exact gradients, second order where it is needed, PyTorch, resuming."""

import numpy as np
import pytest
from objective_check import check_objective, tiny_images, tiny_model
from objective_resume import final_states

from minirmae.models.autoencoder import PRESETS, ModelConfig
from minirmae.objectives import recipe
from minirmae.objectives.rae import embedding
from minirmae.objectives.spectral_norm import SpectralNorm, normalised

FAMILY = {
    "rae-l2": {"beta": 0.3, "weight": 0.05},
    "rae-gp": {"beta": 0.3, "weight": 0.5, "probes": 2},
    "rae-gp exact": {"beta": 0.3, "weight": 0.5, "probes": 0},
    "rae-sn": {"beta": 0.3},
}
each = pytest.mark.parametrize("name", FAMILY)


def generator(seed):
    return None if seed is None else np.random.default_rng(seed)


def evaluated(name, rng_seed=None, **changes):
    """A model with its gradients, and the loss."""
    model, settings = tiny_model(name.split()[0], FAMILY[name] | changes)
    loss, backward = recipe(name.split()[0]).objective(settings)(model, tiny_images(), generator(rng_seed))
    backward()
    return model, loss


def test_the_price_of_a_code():
    z = np.random.default_rng(0).standard_normal((5, 3))
    value, backward = embedding(z)
    assert value == pytest.approx((z**2).sum(axis=1).mean() / 2, rel=1e-15)
    np.testing.assert_allclose(backward(3.0), 3 * z / 5, rtol=1e-15)
    with pytest.raises(ValueError, match="z must have 2 axes"):
        embedding(z[0])


@each
@pytest.mark.parametrize("rng_seed", [None, 3])
@pytest.mark.parametrize("linear_layers", [0, 1])
def test_the_gradient_of_every_parameter_is_exact(name, rng_seed, linear_layers):
    report = check_objective(name.split()[0], FAMILY[name], rng_seed, linear_layers=linear_layers).require()
    assert report.largest_error("derivative") <= 1e-12
    assert {row.method for row in report.rows if row.rung == "derivative"} == {"complex step"}


@pytest.mark.parametrize("name, part", [("rae-l2", "beta"), ("rae-l2", "weight"), ("rae-gp", "weight")])
def test_a_gradient_without_one_of_the_terms_is_caught(name, part):
    objective = recipe(name).objective

    def forgetful(model, x, rng):
        loss, _ = objective(FAMILY[name])(model, x, rng)
        _, backward = objective(FAMILY[name] | {part: 0.0})(model, x, rng)
        return loss, backward

    assert not check_objective(name, FAMILY[name], objective=forgetful, rungs=("derivative",)).passed


def test_a_sigma_taken_for_a_constant_is_caught(monkeypatch):
    monkeypatch.setattr(SpectralNorm, "add_gradient", lambda self, dsigma: None)
    assert not check_objective("rae-sn", FAMILY["rae-sn"], rungs=("derivative",)).passed


@each
@pytest.mark.parametrize("rng_seed", [None, 3])
def test_pytorch_agrees_from_the_same_weights(name, rng_seed):
    torch = pytest.importorskip("torch")
    model, loss = evaluated(name, rng_seed)
    settings, x = FAMILY[name], tiny_images()
    parameters = dict(model.named_parameters())
    weights = {path: torch.tensor(p.value, requires_grad=p.trainable) for path, p in parameters.items()}
    bound = name == "rae-sn"

    def affine(y, path):
        if not (bound and path.startswith("decoder")):
            return y @ weights[f"{path}.W"] + weights[f"{path}.b"]
        W = weights[f"{path}.layer.W"]
        return y @ (W / (weights[f"{path}.u"] @ W @ weights[f"{path}.v"])) + weights[f"{path}.layer.b"]

    pixels = torch.tensor(x).flatten(1)
    z = affine(torch.tanh(affine(pixels, "encoder.1")), "encoder.3")
    x_hat = torch.tanh(affine(torch.tanh(affine(z, "decoder.0")), "decoder.2"))
    expected = ((x_hat - pixels) ** 2).mean() + settings["beta"] * (z**2).sum() / 6
    if name == "rae-l2":
        theta = [weight for path, weight in weights.items() if path.startswith("decoder")]
        expected = expected + settings["weight"] * sum((weight**2).sum() for weight in theta)
    if name.startswith("rae-gp"):
        rows = [torch.autograd.grad(x_hat[:, j].sum(), z, create_graph=True)[0] for j in range(24)]
        J = torch.stack(rows, dim=1)
        if settings["probes"]:
            signs = 2 * np.random.default_rng(rng_seed or 0).integers(0, 2, (2, 3, 4)) - 1.0
            J = torch.einsum("noi,kni->kno", J, torch.tensor(signs)) / 2**0.5
        expected = expected + settings["weight"] * (J**2).sum() / 3
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-6)
    for path, parameter in parameters.items():
        if parameter.trainable and parameter.size:
            np.testing.assert_allclose(parameter.grad, weights[path].grad.numpy(), rtol=1e-6, atol=1e-12)


@each
def test_training_draws_probes_and_evaluation_repeats_itself(name):
    assert evaluated(name)[1] == evaluated(name)[1]
    noisy = name == "rae-gp"
    assert (evaluated(name, 1)[1] != evaluated(name, 2)[1]) == noisy


@each
def test_the_backward_can_be_called_twice(name):
    found = recipe(name.split()[0])
    model, settings = tiny_model(name.split()[0], FAMILY[name])
    _, backward = found.objective(settings)(model, tiny_images(), generator(2))
    fixed = model.fixed.copy()
    backward()
    once = model.grads.copy()
    backward()
    np.testing.assert_allclose(model.grads, 2 * once, rtol=1e-13)
    np.testing.assert_array_equal(model.fixed, fixed)


@pytest.mark.parametrize("preset", ["shapes", "mnist"])
def test_every_kernel_of_a_decoder_is_normalised_and_the_start_is_the_same(preset):
    config = ModelConfig(preset, 8, 0)
    plain, bounded = (
        recipe(name).build(config, {}, np.random.default_rng(0), np.float32) for name in ("plain", "rae-sn")
    )
    kernels = [path for path, _ in plain.named_parameters() if path.startswith("decoder") and path.endswith("W")]
    assert len(list(normalised(bounded.decoder))) == len(kernels) > 0
    assert not list(normalised(bounded.encoder))
    np.testing.assert_array_equal(bounded.values, plain.values)
    assert bounded.decode(np.ones((1, 8), np.float32)).shape == (1, *PRESETS[preset].image)


def test_a_decoder_that_cannot_stretch():
    """With all sigma at their limit the decoder's derivative is at most the product of its layers' bounds, 1."""
    model, _ = tiny_model("rae-sn")
    for layer in normalised(model.decoder):
        for _ in range(2000):
            layer.iterate()
    rng = np.random.default_rng(0)
    z, moved = rng.standard_normal((2, 500, 4))
    distance = np.linalg.norm((model.decode(z) - model.decode(moved)).reshape(500, -1), axis=1)
    ratio = distance / np.linalg.norm(z - moved, axis=1)
    assert 0.1 < ratio.max() <= 1 + 1e-12


def test_update_takes_one_step_of_power_iteration_in_every_layer():
    model, settings = tiny_model("rae-sn")
    expected, _ = tiny_model("rae-sn")
    _, backward = recipe("rae-sn").objective(settings)(model, tiny_images(), None)
    update = backward()
    model.values[...] *= 1 + np.arange(model.values.size) % 3
    expected.values[...] = model.values
    before = model.fixed.copy()
    update()
    for layer in normalised(expected.decoder):
        layer.iterate()
    assert not np.allclose(model.fixed, before)
    np.testing.assert_array_equal(model.fixed, expected.fixed)


def test_a_run_resumes_with_its_singular_vectors(tmp_path):
    whole, parts = final_states(tmp_path, "rae-sn", {})
    model, _ = tiny_model("rae-sn", dtype=np.float32)
    assert whole[1].shape == model.fixed.shape
    np.testing.assert_array_equal(whole[0], parts[0])
    np.testing.assert_array_equal(whole[1], parts[1])


def test_a_model_of_another_recipe_is_refused():
    model, _ = tiny_model("plain")
    with pytest.raises(ValueError, match="no layer of the decoder is a SpectralNorm; build it with normalised_model"):
        recipe("rae-sn").objective({"beta": 0.1})(model, tiny_images(), None)


@pytest.mark.parametrize("name", ["rae-l2", "rae-gp", "rae-sn"])
def test_bad_settings_are_refused(name):
    for setting in recipe(name).settings:
        with pytest.raises(ValueError, match=f"objective {name}: {setting} must be at least 0, got -1"):
            recipe(name).complete({setting: -1})
