"""The sparse machine: two phases, exact gradients, a matrix used twice."""

import copy
from itertools import pairwise

import numpy as np
import pytest
from objective_check import check_objective, tiny_images, tiny_model

from minirmae.data import ArrayDataset
from minirmae.gradcheck import check_model
from minirmae.layers import Linear, Sequential
from minirmae.models.autoencoder import ModelConfig
from minirmae.objectives import recipe
from minirmae.objectives.sparse import Logistic, Transposed, code_energy, infer, sparse_loss, tied_machine
from minirmae.optimizers import Adam
from minirmae.runs import fit

MACHINES = ("preset", "tied")


def held(settings, z):
    """Phase two with the codes z, whatever the weights."""
    return lambda model, x, rng: sparse_loss(model, x, z.astype(x.dtype), settings)


@pytest.mark.parametrize("machine", MACHINES)
def test_the_gradient_of_phase_two_with_the_code_held(machine):
    model, settings = tiny_model("sparse", {"machine": machine})
    z = infer(model, tiny_images(), settings)
    assert (z != model.encode_hidden(tiny_images())).any()
    report = check_objective("sparse", settings, objective=held(settings, z)).require()
    assert {row.method for row in report.rows if row.rung == "derivative"} == {"complex step"}


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("part", ["weights", "prediction"])
def test_a_gradient_without_one_of_the_terms_is_caught(part, machine):
    model, settings = tiny_model("sparse", {"machine": machine})
    z = infer(model, tiny_images(), settings)

    def wrong(model, x, rng):
        right = held(settings, z)(model, x, rng)[0]
        return right, held({**settings, part: 0.0}, z)(model, x, rng)[1]

    assert not check_objective("sparse", settings, objective=wrong, rungs=("derivative",)).passed


def test_the_energy_is_the_stated_one():
    model, settings = tiny_model("sparse", {"prediction": 0.7, "sparsity": 0.3, "weights": 0.01, "gain": 2.0})
    x, rng = tiny_images(), np.random.default_rng(0)
    z, h = rng.normal(size=(3, 4)), model.encode_hidden(x)
    l = 1 / (1 + np.exp(-2 * z))
    expected = [
        0.7 * ((z[n] - h[n]) ** 2).sum()
        + ((x[n] - model.decode(l[n : n + 1])[0]) ** 2).sum()
        + 0.3 * np.log(1 + l[n] ** 2).sum()
        for n in range(3)
    ]
    np.testing.assert_allclose(code_energy(model, x, z, h, settings)[0], expected, rtol=1e-14)
    norm = sum(abs(p.value).sum() for name, p in model.named_parameters() if name.endswith("W"))
    loss = sparse_loss(model, x, z, settings)[0]
    assert loss == pytest.approx((np.mean(expected) + 0.01 * norm) / x[0].size, rel=1e-13)


@pytest.mark.parametrize("machine", MACHINES)
def test_the_gradient_of_the_energy_in_the_code(machine):
    model, settings = tiny_model("sparse", {"machine": machine})
    x, rng = tiny_images(), np.random.default_rng(0)
    z, h, u = rng.normal(size=(3, 3, 4))
    complex_model = model.astype(np.complex128)
    stepped = code_energy(complex_model, x.astype(complex), z + 1e-20j * u, h.astype(complex), settings)[0]
    dz = code_energy(model, x, z, h, settings)[1](np.ones(3))[0]
    np.testing.assert_allclose((dz * u).sum(axis=1), stepped.imag / 1e-20, rtol=1e-12)


@pytest.mark.parametrize("rate", [0.1, 1e4])
def test_phase_one_never_raises_an_image_s_energy_and_leaves_no_trace(rate):
    model, settings = tiny_model("sparse", {"machine": "tied"})
    x = tiny_images()
    model.grads[...] = 3.0
    h = model.encode_hidden(x)
    energies = []
    for steps in (0, 1, 4, 30):
        z = infer(model, x, {**settings, "steps": steps, "rate": rate})
        energies.append(code_energy(model.astype(np.float64), x, z, h, settings)[0])
    assert all((later <= earlier).all() for earlier, later in pairwise(energies))
    assert (energies[-1] < energies[0]).all()
    assert (model.grads == 3.0).all()
    np.testing.assert_array_equal(infer(model, x, {**settings, "steps": 0}), h)


def test_an_image_s_code_does_not_depend_on_the_batch():
    model, settings = tiny_model("sparse")
    x = tiny_images(6)
    whole, alone = infer(model, x, settings), [infer(model, x[n : n + 1], settings) for n in range(6)]
    np.testing.assert_allclose(whole, np.concatenate(alone), rtol=1e-12)


def test_at_a_minimum_holding_the_code_is_exact():
    model, settings = tiny_model("sparse", {"machine": "tied", "steps": 3000, "weights": 0.0})
    x = tiny_images(2)
    objective = recipe("sparse").objective(settings)
    _, backward = objective(model, x, None)
    model.grads[...] = 0
    backward()
    gradient, u = model.grads.copy(), np.random.default_rng(0).normal(size=model.values.size)
    ends = []
    for step in (1e-4, -1e-4):
        moved = model.astype(np.float64)
        moved.values[...] += step * u
        ends.append(objective(moved, x, None)[0])  # the code is found anew
    assert (ends[0] - ends[1]) / 2e-4 == pytest.approx(gradient @ u, rel=1e-5)


def trained(sparsity):
    """Losses and codes of a tied machine after a short training."""
    model, settings = tiny_model("sparse", {"machine": "tied", "sparsity": sparsity})
    data = ArrayDataset(np.random.default_rng(0).integers(0, 256, (30, 4, 3, 2), dtype=np.uint8))
    losses = fit(model, data, Adam(1e-2), steps=60, batch_size=10, objective=recipe("sparse").objective(settings))
    return losses, model.encode(data.batch(np.arange(30), np.float64))


def test_training_lowers_the_loss_makes_sparse_codes_where_asked_and_repeats():
    losses, dense = trained(0.0)
    assert losses[-3:].mean() < losses[:3].mean() / 2
    assert trained(10.0)[1].mean() < dense.mean() / 2
    np.testing.assert_array_equal(trained(0.0)[1], dense)


@pytest.mark.parametrize("machine", MACHINES)
def test_the_model_codes_images_of_a_preset_between_0_and_1(machine):
    found = recipe("sparse")
    config = ModelConfig.paper("shapes", linear_layers=0)
    model = found.build(config, found.complete({"machine": machine}), np.random.default_rng(0), np.float32)
    x = np.random.default_rng(1).random((3, 32, 32, 3), dtype=np.float32)
    z = model.encode(x)
    assert z.shape == (3, 32)
    assert (z > 0).all()
    assert (z < 1).all()
    assert model.decode(z).shape == x.shape


@pytest.mark.parametrize(
    "setting, message",
    [
        ({"prediction": -1.0}, "prediction must be at least 0"),
        ({"sparsity": -0.1}, "sparsity must be at least 0"),
        ({"weights": -1e-9}, "weights must be at least 0"),
        ({"gain": 0.0}, "gain must be positive"),
        ({"rate": 0.0}, "rate must be positive"),
        ({"steps": -1}, "steps must be an integer of at least 0"),
        ({"machine": "deep"}, "machine must be one of preset, tied"),
    ],
)
def test_settings_out_of_range_are_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        recipe("sparse").complete(setting)


def test_the_logistic_s_gain_multiplies_its_argument():
    x = np.array([[-1.0, 0.0, 0.3]])
    np.testing.assert_allclose(Logistic(7.0)(x)[0], 1 / (1 + np.exp(-7 * x)), rtol=1e-15)
    check_model(Sequential(Logistic(7.0)), x).require()
    with pytest.raises(ValueError, match="gain must be positive, got 0"):
        Logistic(0.0)


def test_a_tied_matrix_is_one_parameter_with_the_gradients_of_both_uses():
    rng = np.random.default_rng(0)
    source = Linear(6, 4, rng=rng, dtype=np.float64)
    model = Sequential(source, Transposed(source, (2, 3, 1), np.float64))
    assert model.values.size == 6 * 4 + 4 + 6
    assert model.output_shape((6,)) == (2, 3, 1)
    x = rng.normal(size=(3, 6))
    W, b = (p.value for p in source.parameters.values())
    np.testing.assert_allclose(model(x)[0].reshape(3, 6), (x @ W + b) @ W.T, rtol=1e-14)
    check_model(model, x).require()


def test_a_tied_model_stays_tied_in_a_copy():
    model, _ = tiny_model("sparse", {"machine": "tied"})
    for clone in (model.astype(np.float32), copy.deepcopy(model)):
        encoder = clone.encoder.children["1"].parameters["W"]
        assert clone.decoder.weight is encoder
        encoder.value[...] = 0
        c = clone.decoder.parameters["c"]
        c.value[...] = 1
        assert (clone.decode(np.ones((1, 4), clone.dtype)) == 1).all()
    assert model.values.any()


def test_the_tied_machine_has_no_linear_layers():
    with pytest.raises(ValueError, match="got linear_layers 8"):
        tied_machine(ModelConfig.paper("mnist"), 1.0, np.random.default_rng(0))
