"""VQ-VAE: the gradient is that of the surrogate with stop-gradients held constant."""

from functools import partial

import numpy as np
import pytest
from objective_check import as_function, tiny_images, tiny_model

from minirmae.data import ArrayDataset
from minirmae.gradcheck import check
from minirmae.models.autoencoder import PRESETS, ModelConfig
from minirmae.objectives import recipe
from minirmae.objectives.vq_vae import codebook_perplexity, vq_vae
from minirmae.optimizers import Adam
from minirmae.runs import fit, load_checkpoint, save_checkpoint

SETTINGS = {"codewords": 5, "width": 2}
CODEBOOKS = ("gradient", "moving-average")


def spread_model(codebook="gradient"):
    """A tiny model whose codewords lie where the encoder's outputs are, so that several are chosen."""
    model, settings = tiny_model("vq-vae", SETTINGS | {"codebook": codebook})
    words = model.bottleneck.parameters["codebook"].value
    words[...] = model.encode_hidden(tiny_images(8, seed=3)).reshape(-1, 2)[:10:2] * 1.1
    assert codebook_perplexity(model, tiny_images()) > 1.5
    return model, settings


def surrogate(base, x0, beta):
    """The loss with choices and everything in sg[.] as they are at the model `base`."""
    h0, _ = base.encoder(x0)
    indices = base.bottleneck.indices(h0)
    q0 = base.bottleneck.lookup(indices)

    def value(model, x):
        h, _ = model.encoder(x)
        x_hat, _ = model.decoder(h + (q0 - h0))
        q = model.bottleneck.parameters["codebook"].value[indices].reshape(h.shape)
        codebook = ((h0 - q) ** 2).mean() if model.bottleneck.parameters["codebook"].trainable else 0.0
        return ((x_hat - x) ** 2).mean() + codebook + beta * ((h - q0) ** 2).mean()

    return value


def straight_through(base, x, beta, backward_of=vq_vae):
    """An objective with the surrogate's value and `backward_of`'s gradient."""
    value = surrogate(base, x, beta)

    def objective(model, x, rng):
        return value(model, x), backward_of(model, x, rng, beta=beta)[1]

    return objective


@pytest.mark.parametrize("codebook", CODEBOOKS)
def test_the_gradient_is_that_of_the_surrogate(codebook):
    model, _ = spread_model(codebook)
    objective = straight_through(model, tiny_images(), 0.25)
    names, function = as_function(model, objective, tiny_images())
    values = [p.value for _, p in model.named_parameters() if p.trainable]
    # Not the second order: the surrogate's constants are those of one point. Not float32: they are float64.
    rungs = ("adjoint", "derivative")
    report = check(function, *values, arguments=names, rungs=rungs).require()
    assert {row.method for row in report.rows if row.rung == "derivative"} == {"complex step"}
    assert ("bottleneck.codebook" in names) == (codebook == "gradient")
    loss = vq_vae(model, tiny_images())[0]
    assert loss == pytest.approx(surrogate(model, tiny_images(), 0.25)(model, tiny_images()), rel=1e-14)


@pytest.mark.parametrize("mistake", ["no commitment", "no codebook", "codebook sign", "gradient stopped"])
def test_a_wrong_gradient_is_caught(mistake):
    model, _ = spread_model()

    def wrong(model, x, rng, *, beta):
        loss, right = vq_vae(model, x, rng, beta=0.0 if mistake == "no commitment" else beta)

        def backward():
            right()
            encoder, words = model.encoder.grads, model.bottleneck.parameters["codebook"].grad
            encoder *= 0.0 if mistake == "gradient stopped" else 1.0
            words *= {"no codebook": 0.0, "codebook sign": -1.0}.get(mistake, 1.0)

        return loss, backward

    objective = straight_through(model, tiny_images(), 0.25, wrong)
    names, function = as_function(model, objective, tiny_images())
    values = [p.value for _, p in model.named_parameters() if p.trainable]
    assert not check(function, *values, arguments=names, rungs=("derivative",)).passed


@pytest.mark.parametrize("codebook", CODEBOOKS)
def test_loss_and_gradients_are_those_of_torch_with_detach(codebook):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    model, _ = spread_model(codebook)
    x = tiny_images()
    p = {name: torch.tensor(q.value, requires_grad=q.trainable) for name, q in model.named_parameters()}
    image = torch.tensor(x)
    h = torch.tanh(image.reshape(len(x), -1) @ p["encoder.1.W"] + p["encoder.1.b"])
    h = h @ p["encoder.3.W"] + p["encoder.3.b"]
    words = p["bottleneck.codebook"]
    q = words[torch.cdist(h.reshape(-1, 2), words).argmin(dim=1)].reshape(h.shape)
    through = h + (q - h).detach()
    x_hat = torch.tanh(through @ p["decoder.0.W"] + p["decoder.0.b"])
    x_hat = torch.tanh(x_hat @ p["decoder.2.W"] + p["decoder.2.b"]).reshape(x.shape)
    expected = ((x_hat - image) ** 2).mean() + 0.25 * ((h - q.detach()) ** 2).mean()
    if codebook == "gradient":
        expected = expected + ((h.detach() - q) ** 2).mean()
    expected.backward()
    loss, backward = vq_vae(model, x)
    backward()
    assert float(loss) == pytest.approx(expected.item(), rel=1e-12)
    for name, parameter in model.named_parameters():
        if parameter.trainable:
            np.testing.assert_allclose(parameter.grad, p[name].grad.numpy(), rtol=1e-6, atol=1e-12)


def test_evaluation_changes_nothing_and_backward_moves_nothing():
    model, settings = spread_model("moving-average")
    objective = recipe("vq-vae").objective(settings)
    before = model.fixed.copy()
    assert objective(model, tiny_images(), None)[1]() is None
    loss, backward = objective(model, tiny_images(), np.random.default_rng(0))
    once, update = model.grads.copy(), backward()
    model.grads[...] = once
    backward()
    np.testing.assert_array_equal(model.fixed, before)
    update()
    assert (model.fixed != before).any()
    assert loss == objective(spread_model("moving-average")[0], tiny_images(), None)[0]


@pytest.mark.parametrize("codebook", CODEBOOKS)
def test_training_resumes_bit_for_bit_and_revives_codewords(codebook, tmp_path):
    found = recipe("vq-vae")
    settings = found.complete({"codewords": 6, "width": 2, "codebook": codebook, "reseed_after": 3})
    data = ArrayDataset(np.random.default_rng(0).integers(0, 256, (20, 4, 3, 2), dtype=np.uint8))
    run = partial(fit, dataset=data, batch_size=4, objective=found.objective(settings))

    def start():
        return tiny_model("vq-vae", settings, dtype=np.float32)[0], Adam(1e-2), np.random.default_rng(7)

    model, optimizer, rng = start()
    first = codebook_perplexity(model, data.batch(np.arange(20), np.float32))
    run(model, optimizer=optimizer, rng=rng, steps=12)
    half, half_optimizer, half_rng = start()
    run(half, optimizer=half_optimizer, rng=half_rng, steps=5)
    save_checkpoint(tmp_path / "c.npz", half, half_optimizer, half_rng)
    rest, rest_optimizer, rest_rng = start()
    load_checkpoint(tmp_path / "c.npz").restore(rest, rest_optimizer, rest_rng)
    run(rest, optimizer=rest_optimizer, rng=rest_rng, steps=7)
    np.testing.assert_array_equal(model.values, rest.values)
    np.testing.assert_array_equal(model.fixed, rest.fixed)
    assert codebook_perplexity(model, data.batch(np.arange(20), np.float32)) > first


@pytest.mark.parametrize("preset", ["shapes", "mnist", "celeba"])
def test_the_default_width_divides_every_preset_s_code(preset):
    assert PRESETS[preset].latent % recipe("vq-vae").complete({})["width"] == 0


def test_the_model_codes_images_by_codewords():
    found = recipe("vq-vae")
    config = ModelConfig.paper("shapes", linear_layers=0)
    model = found.build(config, found.complete({"codewords": 16}), np.random.default_rng(0), np.float32)
    x = np.random.default_rng(1).random((3, 32, 32, 3), dtype=np.float32)
    z = model.encode(x)
    words = {tuple(word) for word in model.bottleneck.parameters["codebook"].value}
    assert z.shape == (3, 32)
    assert {tuple(group) for group in z.reshape(-1, 4)} <= words
    assert model.decode(z).shape == x.shape


@pytest.mark.parametrize(
    "setting, message",
    [
        ({"beta": -1.0}, "beta must be at least 0"),
        ({"decay": 1.0}, r"decay must be in \[0, 1\)"),
        ({"codewords": 0}, "codewords must be an integer of at least 1"),
        ({"width": 0}, "width must be an integer of at least 1"),
        ({"reseed_after": -1}, "reseed_after must be an integer of at least 0"),
        ({"codebook": "fixed"}, "codebook must be one of gradient, moving-average"),
    ],
)
def test_settings_out_of_range_are_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        recipe("vq-vae").complete(setting)


def test_a_model_of_another_kind_is_refused():
    with pytest.raises(TypeError, match="bottleneck must be a VectorQuantizer, got LinearStack"):
        vq_vae(tiny_model("plain")[0], tiny_images())
    with pytest.raises(ValueError, match="code of 4 numbers cannot be cut into groups of 3"):
        tiny_model("vq-vae", {"width": 3})
    with pytest.raises(ValueError, match="linear_layers must be 0, got 2"):
        tiny_model("vq-vae", linear_layers=2)
