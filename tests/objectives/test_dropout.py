"""Dropout on the code: noise in training, none in evaluation."""

from types import SimpleNamespace

import numpy as np
import pytest
from objective_check import check_objective, tiny_images, tiny_model

from minirmae.layers import Dropout
from minirmae.objectives import recipe


def test_the_gradient_of_every_parameter_is_exact():
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


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match=r"rate must be in \[0, 1\), got 1.0"):
        recipe("dropout").complete({"rate": 1.0})
    with pytest.raises(ValueError, match="linear_layers must be 0"):
        tiny_model("dropout", linear_layers=2)
