"""Limited-capacity coding: gradient and noise, the best linear code in closed form, and training that reaches it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from objective_check import check_objective, tiny_images, tiny_model

from minirmae.models.autoencoder import ModelConfig
from minirmae.objectives import recipe
from minirmae.objectives.overcomplete import (
    Channel,
    expected_error,
    limited_capacity,
    linear_machine,
    optimal_decoder,
    optimal_encoder,
    optimal_error,
    signal_to_noise,
)
from minirmae.optimizers import Adam
from minirmae.runs import noise_generator

EXAMPLE = Path(__file__).parents[2] / "examples" / "overcomplete_patches.py"
SETTINGS = {"sparsity": 0.3, "capacity": 0.7}


@pytest.mark.parametrize("rng_seed", [None, 3])
def test_the_gradient(rng_seed):
    report = check_objective("overcomplete", SETTINGS, rng_seed).require()
    assert {row.method for row in report.rows if row.rung == "derivative"} == {"complex step"}


@pytest.mark.parametrize("part", ["capacity", "sparsity"])
def test_a_gradient_without_one_of_the_terms_is_caught(part):
    def wrong(model, x, rng):
        return limited_capacity(model, x, rng, **SETTINGS)[0], limited_capacity(model, x, rng, **SETTINGS | {part: 0})[
            1
        ]

    assert not check_objective("overcomplete", SETTINGS, 3, objective=wrong, rungs=("derivative",)).passed


def test_the_loss_is_the_stated_one():
    model, settings = tiny_model("overcomplete", SETTINGS)
    x = tiny_images()
    u = model.encode_hidden(x)
    e = np.random.default_rng(5).standard_normal(u.shape) / np.sqrt(3)
    x_hat = model.decode(u + e)
    expected = ((x_hat - x) ** 2).mean() + 0.7 * (np.log((u**2).mean(axis=0)) ** 2).mean()
    expected += 0.3 * np.log(1 + u**2).mean()
    loss = recipe("overcomplete").objective(settings)(model, x, np.random.default_rng(5))[0]
    assert loss == pytest.approx(expected, rel=1e-14)


def test_the_channel_s_noise_has_the_power_that_the_capacity_leaves_it():
    x = np.zeros((200, 300), np.float32)
    y, backward = Channel(0.5)(x, np.random.default_rng(0))
    assert y.dtype == np.float32
    assert y.std() == pytest.approx(0.5, rel=0.02)
    np.testing.assert_array_equal(Channel(0.5)(x)[0], x)
    np.testing.assert_array_equal(backward(y), y)
    assert not x.any()
    model, _ = tiny_model("overcomplete", {"bits": 2.0})
    assert model.bottleneck.noise == pytest.approx(15**-0.5)


def test_training_reaches_the_error_of_the_closed_form():
    rng = np.random.default_rng(0)
    S = np.diag([4.0, 1.0, 0.25, 0.04])
    root, snr, units = np.sqrt(S), 3.0, 8
    model = linear_machine((2, 2, 1), units, snr, rng, np.float64)
    noise = noise_generator(0)
    for rate, steps in ((2e-2, 300), (2e-3, 300)):
        optimizer = Adam(rate)
        for _ in range(steps):
            x = (rng.standard_normal((512, 4)) @ root).reshape(-1, 2, 2, 1)
            _, backward = limited_capacity(model, x, noise, capacity=1.0, sparsity=0.0)
            model.grads[...] = 0
            backward()
            optimizer.step(model.values, model.grads)
    W = model.encoder.children["1"].parameters["W"].value
    A = model.decoder.children["0"].parameters["W"].value
    power = np.diag(W.T @ S @ W)
    least = optimal_error(np.diag(S), units, snr)
    np.testing.assert_allclose(power, 1, atol=0.3)
    # The power of some units is a little above 1; at its own mean power the code is no better than the best one.
    assert expected_error(S, W, A, snr) == pytest.approx(least, rel=0.1)
    assert expected_error(S, W, A, snr) > optimal_error(np.diag(S), units, snr * power.mean()) * (1 - 1e-9)


def test_the_model_codes_images_of_a_preset_linearly():
    found = recipe("overcomplete")
    config = ModelConfig.paper("mnist", linear_layers=0)
    model = found.build(config, found.complete({}), np.random.default_rng(0), np.float32)
    x = np.random.default_rng(1).random((3, 32, 32, 1), dtype=np.float32)
    z = model.encode(x)
    assert z.shape == (3, 128)
    np.testing.assert_allclose(model.encode((x[:1] + x[1:2]) / 2), (z[:1] + z[1:2]) / 2, atol=1e-5)
    np.testing.assert_array_equal(z, model.encode(x))
    assert model.decode(z).shape == x.shape


@pytest.mark.parametrize(
    "setting, message",
    [
        ({"bits": 0.0}, "bits must be positive"),
        ({"capacity": -1.0}, "capacity must be at least 0"),
        ({"sparsity": -1.0}, "sparsity must be at least 0"),
    ],
)
def test_settings_out_of_range_are_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        recipe("overcomplete").complete(setting)


def test_linear_layers_are_refused():
    with pytest.raises(ValueError, match="linear_layers must be 0, got 2"):
        tiny_model("overcomplete", linear_layers=2)


@pytest.mark.parametrize("source", ["-", "folder"])
def test_the_example_draws_receptive_fields(source, tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    if source == "folder":
        Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
        source = tmp_path / "images"
        source.mkdir()
        pixels = np.random.default_rng(0).integers(0, 256, (2, 40, 50, 3), dtype=np.uint8)
        for number, image in enumerate(pixels):
            Image.fromarray(image).save(source / f"{number}.png")
    command = [sys.executable, str(EXAMPLE), str(tmp_path), str(source), "3"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "64 pixels, 128 units of 1 bit" in output
    assert (tmp_path / "receptive-fields.png").exists()


def covariance(D, seed=0):
    B = np.random.default_rng(seed).normal(size=(D, D))
    return B @ B.T


def best_error(S, W, snr):
    return expected_error(S, W, optimal_decoder(S, W, snr), snr)


@pytest.mark.parametrize("D, M, snr", [(4, 8, 3.0), (4, 4, 0.3), (6, 3, 10.0), (5, 7, 0.05), (3, 1, 1.0), (2, 50, 3.0)])
def test_the_constructed_code_has_the_error_of_the_closed_form_and_units_of_variance_1(D, M, snr):
    S = covariance(D)
    W = optimal_encoder(S, M, snr)
    assert W.shape == (D, M)
    np.testing.assert_allclose(np.diag(W.T @ S @ W), 1, rtol=1e-10)
    assert best_error(S, W, snr) == pytest.approx(optimal_error(np.linalg.eigvalsh(S), M, snr), rel=1e-11)


@pytest.mark.parametrize("D, M, snr", [(2, 2, 3.0), (3, 6, 1.0), (4, 2, 5.0), (3, 5, 0.1)])
def test_no_random_code_of_unit_variances_is_better(D, M, snr):
    S, rng = covariance(D), np.random.default_rng(1)
    least = optimal_error(np.linalg.eigvalsh(S), M, snr)
    best = optimal_encoder(S, M, snr)
    for spread in (0.01, 0.1, 10.0):
        for _ in range(100):
            W = best + spread * rng.normal(size=(D, M)) * np.abs(best).mean()
            W /= np.sqrt(np.diag(W.T @ S @ W))
            assert best_error(S, W, snr) >= least * (1 - 1e-12)


def test_white_data_are_repeated():
    for units in (5, 10, 40):
        assert optimal_error(np.full(5, 2.0), units, 3.0) == pytest.approx(10 / (1 + 3 * units / 5), rel=1e-14)


def test_a_weak_direction_is_given_up_at_little_capacity():
    variances = np.array([1.0, 100.0])
    # Two units at s = 1: 1 + s p = (2 + 2) sqrt(v) / 11 is below 1 for the weak one, which therefore gets nothing.
    assert optimal_error(variances, 2, 1.0) == pytest.approx(100 / 3 + 1, rel=1e-14)
    W = optimal_encoder(np.diag(variances), 2, 1.0)
    np.testing.assert_allclose(W[0], 0, atol=1e-15)
    # At s = 10 both are coded.
    assert optimal_error(variances, 2, 10.0) == pytest.approx(11**2 / (2 + 20), rel=1e-14)


def test_a_singular_covariance_is_coded_in_its_range():
    S = np.diag([4.0, 0.0, 1.0])
    W = optimal_encoder(S, 5, 3.0)
    assert np.isfinite(W).all()
    assert best_error(S, W, 3.0) == pytest.approx(9 / (2 + 15), rel=1e-12)


def test_the_decoder_is_the_best_and_the_error_that_of_samples():
    S, rng = covariance(3), np.random.default_rng(2)
    W = rng.normal(size=(3, 4))
    A = optimal_decoder(S, W, 2.0)
    least = expected_error(S, W, A, 2.0)
    assert all(expected_error(S, W, A + 1e-3 * rng.normal(size=A.shape), 2.0) > least for _ in range(20))
    assert least == pytest.approx(np.trace(np.linalg.inv(np.linalg.inv(S) + 2 * W @ W.T)), rel=1e-12)
    x = rng.multivariate_normal(np.zeros(3), S, size=200_000)
    x_hat = (x @ W + rng.normal(size=(len(x), 4)) / np.sqrt(2)) @ A
    assert ((x_hat - x) ** 2).sum(axis=1).mean() == pytest.approx(least, rel=0.02)


def test_bad_arguments_are_refused():
    assert signal_to_noise(0.5) == 1
    with pytest.raises(ValueError, match="bits must be positive, got 0"):
        signal_to_noise(0.0)
    with pytest.raises(ValueError, match="variances must be finite and at least 0"):
        optimal_error(np.array([1.0, -1.0]), 2, 1.0)
    with pytest.raises(ValueError, match="snr and some variance must be positive"):
        optimal_error(np.zeros(2), 2, 1.0)
    with pytest.raises(ValueError, match="units must be an integer of at least 1"):
        optimal_error(np.ones(2), 0, 1.0)
    with pytest.raises(ValueError, match=r"covariance must have shape \(2, 2\)"):
        optimal_encoder(np.ones((2, 3)), 2, 1.0)
    with pytest.raises(ValueError, match=r"W must have shape \(2, 4\)"):
        optimal_decoder(np.eye(2), np.ones((3, 4)), 1.0)
