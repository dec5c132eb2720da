"""The variational family: exact gradients, PyTorch's automatic differentiation, the laws between the members."""

import numpy as np
import pytest
from objective_check import check_objective, tiny_images, tiny_model
from objective_resume import final_states

from minirmae.objectives import recipe
from minirmae.objectives.evidence import terms

FAMILY = {"vae": {}, "vae-irmae": {}, "beta-vae": {"beta": 2.5}}
members = pytest.mark.parametrize("name", FAMILY)


def loss_of(name, settings, rng_seed, x=None):
    model, complete = tiny_model(name, settings)
    loss, backward = recipe(name).objective(complete)(model, tiny_images() if x is None else x, _rng(rng_seed))
    backward()
    return loss, model.grads.copy()


def _rng(seed):
    return None if seed is None else np.random.default_rng(seed)


@members
@pytest.mark.parametrize("rng_seed", [None, 3])
def test_the_gradient_of_every_parameter_is_exact(name, rng_seed):
    check_objective(name, FAMILY[name], rng_seed=rng_seed).require()


@members
@pytest.mark.parametrize("term", [0, 1])
def test_a_term_without_its_gradient_is_caught(name, term, monkeypatch):
    def without_one(model, x, rng):
        *values, backward = terms(model, x, rng)
        return *values, lambda *slopes: backward(*(0.0 if i == term else s for i, s in enumerate(slopes)))

    monkeypatch.setattr("minirmae.objectives.vae.terms", without_one)
    assert check_objective(name, FAMILY[name], rng_seed=3, rungs=["derivative"]).verdict == "fail"


def test_beta_one_is_the_vae():
    (loss, gradient), (same, equal) = loss_of("beta-vae", {"beta": 1.0}, 3), loss_of("vae", {}, 3)
    assert loss == same
    np.testing.assert_array_equal(gradient, equal)


def test_the_authors_normalisation_is_a_beta_vae_divided_by_the_pixels():
    D, n, weight = 24, 4, 0.1
    loss, gradient = loss_of("vae-irmae", {"weight": weight}, 3)
    bound, direction = loss_of("beta-vae", {"beta": 2 * D * weight / n}, 3)
    assert D * loss == pytest.approx(bound, rel=1e-14)
    np.testing.assert_allclose(D * gradient, direction, rtol=1e-12, atol=1e-15)


def test_one_seed_gives_one_loss_and_evaluation_needs_none():
    assert loss_of("vae", {}, 3)[0] == loss_of("vae", {}, 3)[0] != loss_of("vae", {}, 4)[0]
    assert loss_of("vae", {}, None)[0] == loss_of("vae", {}, None)[0]


def test_the_bound_holds_on_average():
    # The evidence of one image by brute force over samples of the prior: the bound must not exceed it.
    model, _ = tiny_model("vae")
    x, rng = tiny_images(1).round(), np.random.default_rng(0)
    p = model.decode(rng.normal(size=(20_000, 4)))
    likelihood = np.exp(np.sum(x * np.log(p) + (1 - x) * np.log(1 - p), axis=(1, 2, 3)))
    evidence = np.log(likelihood.mean())
    error = 5 * likelihood.std() / likelihood.mean() / np.sqrt(len(likelihood))
    objective = recipe("vae").objective({})
    bounds = [-objective(model, np.repeat(x, 200, axis=0), rng)[0] for _ in range(20)]
    assert np.mean(bounds) < evidence + error


@members
@pytest.mark.parametrize("rng_seed", [None, 3])
def test_pytorch_agrees_from_the_same_weights(name, rng_seed):
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    model, settings = tiny_model(name, FAMILY[name])
    x = tiny_images()
    loss, backward = recipe(name).objective(settings)(model, x, _rng(rng_seed))
    backward()
    weights = {path: torch.tensor(p.value, requires_grad=True) for path, p in model.named_parameters()}

    def affine(y, layer):
        return y @ weights[f"{layer}.W"] + weights[f"{layer}.b"]

    pixels = torch.tensor(x).flatten(1)
    h = affine(torch.tanh(affine(pixels, "encoder.1")), "encoder.3")
    mu, v = h[:, :4], h[:, 4:]
    noise = torch.zeros(3, 4) if rng_seed is None else torch.tensor(_rng(rng_seed).standard_normal((3, 4)))
    z = torch.distributions.Normal(mu, (v / 2).exp())
    q = mu + (v / 2).exp() * noise
    s = affine(torch.tanh(affine(q, "decoder.0")), "decoder.2")
    divergence = torch.distributions.kl_divergence(z, torch.distributions.Normal(0.0, 1.0)).sum() / 3
    entropy = F.binary_cross_entropy_with_logits(s, pixels, reduction="sum") / 3
    expected = {
        "vae": lambda: entropy + divergence,
        "beta-vae": lambda: entropy + 2.5 * divergence,
        "vae-irmae": lambda: (
            F.binary_cross_entropy(torch.sigmoid(s), pixels) - 0.1 * torch.mean(1 + v - mu.pow(2) - v.exp())
        ),
    }[name]()
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-6)
    for path, parameter in model.named_parameters():
        np.testing.assert_allclose(parameter.grad, weights[path].grad.numpy(), rtol=1e-6, atol=1e-9)


def test_a_confident_decoder_does_not_overflow():
    model, _ = tiny_model("vae", dtype=np.float32)
    model.values[...] *= 1000
    # The log variances stay moderate, the logits do not.
    encoder = model.encoder.children["3"].parameters
    encoder["W"].value[:, 4:], encoder["b"].value[4:] = 0, 0
    model.grads[...] = 0
    with np.errstate(all="raise", under="ignore"):
        loss, backward = recipe("vae").objective({})(model, tiny_images().astype(np.float32), np.random.default_rng(0))
        backward()
    assert np.isfinite(loss)
    assert np.isfinite(model.grads).all()


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="objective beta-vae: beta must be at least 0, got -1"):
        recipe("beta-vae").complete({"beta": -1.0})
    with pytest.raises(ValueError, match="objective vae-irmae: weight must be at least 0, got -1"):
        recipe("vae-irmae").complete({"weight": -1.0})
    with pytest.raises(ValueError, match="unknown setting beta; known are: none"):
        recipe("vae").complete({"beta": 1.0})
    with pytest.raises(ValueError, match="linear_layers must be 0"):
        tiny_model("vae", linear_layers=1)


SETTINGS = {"gamma": 30.0, "capacity": 8.0, "steps": 4}


def at_step(step):
    model, settings = tiny_model("beta-vae-capacity", SETTINGS)
    model.bottleneck.parameters["step"].value[...] = step
    return model, recipe("beta-vae-capacity").objective(settings)


@pytest.mark.parametrize("step, side", [(0, 1), (1, -1), (4, -1)])
def test_the_loss_is_the_distance_from_the_capacity(step, side):
    model, objective = at_step(step)
    x = tiny_images()
    reconstruction, divergence, _ = terms(model, x, None)
    assert np.sign(divergence - 2 * step) == side
    loss, _ = objective(model, x, None)
    assert loss == pytest.approx(reconstruction + 30 * abs(divergence - 2 * step), rel=1e-14)


@pytest.mark.parametrize("step", [0, 4])
def test_the_gradient_of_every_parameter_is_exact_on_both_sides(step):
    def objective(model, x, rng):
        model.bottleneck.parameters["step"].value[...] = step
        return recipe("beta-vae-capacity").objective(SETTINGS)(model, x, rng)

    check_objective("beta-vae-capacity", SETTINGS, rng_seed=3, objective=objective).require()


def test_a_gradient_with_the_sign_of_the_other_side_is_caught():
    def objective(model, x, rng):
        counter = model.bottleneck.parameters["step"].value
        loss, _ = recipe("beta-vae-capacity").objective(SETTINGS)(model, x, rng)
        counter[...] = 4
        _, backward = recipe("beta-vae-capacity").objective(SETTINGS)(model, x, None)
        return loss, backward

    report = check_objective("beta-vae-capacity", SETTINGS, objective=objective, rungs=["derivative"])
    assert report.verdict == "fail"


def test_only_update_counts_and_it_stops_at_the_end_of_the_schedule():
    model, objective = at_step(0)
    counts = []
    for _ in range(6):
        _, backward = objective(model, tiny_images(), np.random.default_rng(0))
        backward()
        update = backward()
        counts.append(model.fixed.item())
        update()
    assert counts == [0, 1, 2, 3, 4, 4]


def test_a_run_resumes_with_its_count(tmp_path):
    whole, parts = final_states(tmp_path, "beta-vae-capacity", {"gamma": 30.0, "capacity": 8.0, "steps": 100})
    assert whole[1].item() == 7
    np.testing.assert_array_equal(whole[0], parts[0])
    np.testing.assert_array_equal(whole[1], parts[1])


@pytest.mark.parametrize("name, value", [("gamma", -1.0), ("capacity", -1.0), ("steps", 0), ("steps", 2**24 + 1)])
def test_bad_settings_of_the_capacity_are_refused(name, value):
    with pytest.raises(ValueError, match=f"objective beta-vae-capacity: {name} must be"):
        recipe("beta-vae-capacity").complete({name: value})
