"""Denoising and dropout: what the noise does, exact gradients with the noise held, and none in evaluation."""

from types import SimpleNamespace

import numpy as np
import pytest
from objective_check import check_objective, tiny_images, tiny_model

from minirmae.layers import Dropout
from minirmae.objectives import recipe
from minirmae.objectives.noise import NOISES, corrupt

every_noise = pytest.mark.parametrize("noise", NOISES)


@every_noise
def test_the_gradient_of_every_parameter_is_exact_with_a_noisy_image(noise):
    check_objective("denoising", {"noise": noise}, rng_seed=3).require()


@every_noise
def test_the_loss_compares_what_is_made_of_the_noisy_image_with_the_clean_one(noise):
    model, settings = tiny_model("denoising", {"noise": noise})
    x = tiny_images()
    loss, _ = recipe("denoising").objective(settings)(model, x, np.random.default_rng(2))
    noisy = corrupt(x, noise, 0.25, np.random.default_rng(2))
    assert not np.array_equal(noisy, x)
    assert loss == pytest.approx(np.mean((model.reconstruct(noisy) - x) ** 2), rel=1e-14)


def test_evaluation_corrupts_nothing():
    model, settings = tiny_model("denoising")
    x = tiny_images()
    loss, _ = recipe("denoising").objective(settings)(model, x, None)
    assert loss == pytest.approx(np.mean((model.reconstruct(x) - x) ** 2), rel=1e-14)


def test_a_noisy_target_is_caught():
    def wrong(model, x, rng):
        loss, _ = recipe("denoising").objective({"noise": "masking", "level": 0.25})(model, x, rng)
        _, backward = recipe("plain").objective({})(model, x, None)
        return loss, backward

    assert check_objective("denoising", rng_seed=3, objective=wrong, rungs=["derivative"]).verdict == "fail"


@pytest.mark.parametrize("level", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("noise", ["masking", "salt-and-pepper"])
def test_a_fixed_part_of_every_image_is_changed(noise, level):
    x = np.full((5, 4, 3, 2), 0.5)
    noisy = corrupt(x, noise, level, np.random.default_rng(0))
    np.testing.assert_array_equal((noisy != x).sum(axis=(1, 2, 3)), round(24 * level))
    allowed = {0.5, 0.0} if noise == "masking" else {0.5, 0.0, 1.0}
    assert set(noisy.ravel()) <= allowed
    assert np.all(x == 0.5)


def test_salt_and_pepper_are_equally_likely_and_places_are_uniform():
    noisy = corrupt(np.full((4000, 10), 0.5), "salt-and-pepper", 0.3, np.random.default_rng(1))
    assert (noisy == 1).sum() == pytest.approx(6000, abs=5 * np.sqrt(12000 / 4))
    # Each place is changed with probability 0.3: 4000 trials, five standard deviations.
    np.testing.assert_allclose((noisy != 0.5).sum(axis=0), 1200, atol=5 * np.sqrt(4000 * 0.3 * 0.7))


def test_gaussian_noise_has_the_level_as_its_deviation():
    x = tiny_images(1000)
    noise = corrupt(x, "gaussian", 0.2, np.random.default_rng(1)) - x
    assert noise.std() == pytest.approx(0.2, rel=5 / np.sqrt(2 * noise.size))


@every_noise
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_the_dtype_is_kept(noise, dtype):
    assert corrupt(tiny_images().astype(dtype), noise, 0.5, np.random.default_rng(0)).dtype == dtype


def test_bad_settings_of_denoising_are_refused():
    complete = recipe("denoising").complete
    with pytest.raises(ValueError, match=r"level \(of masking, a part of the pixels\) must be between 0 and 1"):
        complete({"level": 1.5})
    assert complete({"noise": "gaussian", "level": 1.5})["level"] == 1.5
    with pytest.raises(ValueError, match=r"level .* must be at least 0, got -0\.1"):
        complete({"noise": "gaussian", "level": -0.1})
    with pytest.raises(ValueError, match="noise must be one of gaussian, masking, salt-and-pepper, got 'pink'"):
        complete({"noise": "pink"})
    with pytest.raises(ValueError, match="noise must be one of"):
        corrupt(tiny_images(), "pink", 0.1, np.random.default_rng(0))


def test_the_gradient_of_every_parameter_is_exact_with_dropout():
    check_objective("dropout", rng_seed=3).require()


def test_the_decoder_sees_a_code_with_holes_and_the_rest_scaled_up():
    model, settings = tiny_model("dropout", {"rate": 0.75})
    x, rng = tiny_images(50), np.random.default_rng(4)
    loss, _ = recipe("dropout").objective(settings)(model, x, rng)
    keep = np.random.default_rng(4).random((50, 4)) >= 0.75
    z = model.encode(x) * keep * 4
    assert loss == pytest.approx(np.mean((model.decode(z) - x) ** 2), rel=1e-14)
    assert 0.1 < keep.mean() < 0.4


def test_the_mean_over_masks_of_a_linear_decoder_is_a_penalty():
    rng, rate = np.random.default_rng(0), 0.3
    h, D, x = rng.normal(size=(1, 3)), rng.normal(size=(3, 5)), rng.normal(size=(1, 5))
    layer, mean = Dropout(rate), 0.0
    for mask in np.ndindex(2, 2, 2):
        # A generator whose draws give this mask: 0 is below the rate, 1 is not.
        z, _ = layer(h, SimpleNamespace(random=lambda shape, mask=mask: np.array([mask], dtype=float)))
        probability = np.prod([1 - rate if keep else rate for keep in mask])
        mean += probability * np.sum((z @ D - x) ** 2)
    penalty = rate / (1 - rate) * np.sum(h[0] ** 2 * np.sum(D**2, axis=1))
    assert mean == pytest.approx(np.sum((h @ D - x) ** 2) + penalty, rel=1e-13)


def test_evaluation_drops_nothing():
    model, settings = tiny_model("dropout")
    x = tiny_images()
    loss, _ = recipe("dropout").objective(settings)(model, x, None)
    assert loss == pytest.approx(np.mean((model.decode(model.encode_hidden(x)) - x) ** 2), rel=1e-14)


def test_a_gradient_of_other_noise_is_caught():
    def forgetful(model, x, rng):
        loss, _ = recipe("dropout").objective({"rate": 0.5})(model, x, rng)
        _, backward = recipe("dropout").objective({"rate": 0.5})(model, x, rng)
        return loss, backward

    assert check_objective("dropout", rng_seed=3, objective=forgetful, rungs=["derivative"]).verdict == "fail"


def test_bad_settings_of_dropout_are_refused():
    with pytest.raises(ValueError, match=r"rate must be in \[0, 1\), got 1.0"):
        recipe("dropout").complete({"rate": 1.0})
    with pytest.raises(ValueError, match="linear_layers must be 0"):
        tiny_model("dropout", linear_layers=2)
