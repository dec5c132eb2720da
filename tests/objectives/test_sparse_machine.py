"""The sparse machine's layers: a logistic with gain, and a matrix used twice."""

import copy

import numpy as np
import pytest
from objective_check import tiny_model

from minirmae.gradcheck import check_model
from minirmae.layers import Linear, Sequential
from minirmae.models.autoencoder import ModelConfig
from minirmae.objectives.sparse_machine import Logistic, Transposed, tied_machine


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
