"""The two terms of the bound: each against its definition, and the layer that samples."""

import numpy as np
import pytest
from objective_check import tiny_images, tiny_model

from minirmae.gradcheck import check, check_model
from minirmae.layers import Linear, Sequential, Tanh
from minirmae.objectives.evidence import GaussianCode, gaussian_divergence, logits, terms

RNG = np.random.default_rng(0)


def test_the_sampled_code_is_differentiated_with_its_noise_held():
    check_model(GaussianCode(3), RNG.normal(size=(4, 6)), rng_seed=5).require()
    check_model(GaussianCode(3), RNG.normal(size=(4, 6))).require()


def test_samples_have_the_encoded_mean_and_deviation():
    h = np.tile([1.0, -2.0, 2 * np.log(3.0), 2 * np.log(0.5)], (200_000, 1))
    z, _ = GaussianCode(2)(h, np.random.default_rng(1))
    error = 5 / np.sqrt(len(h))
    np.testing.assert_allclose(z.mean(axis=0), [1, -2], atol=3 * error)
    np.testing.assert_allclose(z.std(axis=0), [3, 0.5], rtol=error)


def test_without_an_rng_the_code_is_the_mean_even_where_the_deviation_overflows():
    z, backward = GaussianCode(1)(np.array([[2.0, 5000.0]]))
    np.testing.assert_array_equal(z, [[2.0]])
    np.testing.assert_array_equal(backward(np.ones((1, 1))), [[1.0, 0.0]])


def test_the_divergence_is_the_integral_that_defines_it():
    mu, v = 0.7, -0.9
    z = np.linspace(-15, 15, 300_001)
    q = np.exp(-((z - mu) ** 2) / (2 * np.exp(v)) - v / 2) / np.sqrt(2 * np.pi)
    log_ratio = -((z - mu) ** 2) / (2 * np.exp(v)) - v / 2 + z**2 / 2
    integral = np.sum(q * log_ratio) * (z[1] - z[0])
    value, _ = gaussian_divergence(np.array([[mu, v]]))
    assert value == pytest.approx(integral, rel=1e-10)


def test_the_divergence_sums_over_the_code_and_averages_over_the_batch():
    h = RNG.normal(size=(5, 6))
    apart = [gaussian_divergence(h[i : i + 1, [j, j + 3]])[0] for i in range(5) for j in range(3)]
    assert gaussian_divergence(h)[0] == pytest.approx(sum(apart) / 5, rel=1e-14)
    check(gaussian_divergence, h).require()


def test_the_divergence_keeps_its_digits_near_zero():
    # v^2/4 to first order: 1 + v - exp(v) would have lost every digit.
    value, _ = gaussian_divergence(np.array([[0.0, 1e-7]]))
    assert value == pytest.approx(2.5e-15, rel=1e-6)


def test_logits_are_what_the_final_sigmoid_takes():
    model, _ = tiny_model("vae")
    z = RNG.normal(size=(3, 4))
    s, backward = logits(model.decoder, z)
    np.testing.assert_allclose(1 / (1 + np.exp(-s)), model.decode(z), rtol=1e-13)
    *layers, _ = model.decoder.children.values()
    ds = RNG.normal(size=s.shape)
    np.testing.assert_allclose(backward(ds), Sequential(*layers)(z)[1](ds), rtol=1e-13)


def test_the_terms_are_nats_for_each_image():
    model, _ = tiny_model("vae")
    x = tiny_images()
    reconstruction, divergence, _ = terms(model, x, None)
    p = model.reconstruct(x)
    expected = -np.sum(x * np.log(p) + (1 - x) * np.log(1 - p)) / len(x)
    assert reconstruction == pytest.approx(expected, rel=1e-13)
    assert divergence == gaussian_divergence(model.encode_hidden(x))[0]


def test_codes_are_means():
    model, _ = tiny_model("vae")
    x = tiny_images()
    assert model.encode_hidden(x).shape == (3, 8)
    np.testing.assert_array_equal(model.encode(x), model.encode_hidden(x)[:, :4])


def test_what_cannot_be_used_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(TypeError, match="the decoder must end in a Sigmoid, but ends in Tanh"):
        logits(Sequential(Linear(2, 2, rng=rng), Tanh()), np.zeros((1, 2), np.float32))
    with pytest.raises(ValueError, match="gaussian_divergence: h must have an even number of columns"):
        gaussian_divergence(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="GaussianCode: h must have 2 axes"):
        GaussianCode(2)(np.zeros(4))
