"""The objects are those that the configuration names."""

import numpy as np
import pytest
from training_tiny import TINY, tiny_config

from minirmae.data import ArrayDataset
from minirmae.models.autoencoder import PRESETS, ModelConfig
from minirmae.optimizers import SGD, Adam, AdamW, Momentum
from minirmae.runs import (
    TrainingConfig,
    evaluation_data,
    make_model,
    make_optimizer,
    noise_generator,
    total_steps,
    training_data,
)
from minirmae.runs.build import require_fit, spread


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
    monkeypatch.setitem(PRESETS, "tiny", TINY)


@pytest.mark.parametrize("name, kind", [("sgd", SGD), ("momentum", Momentum), ("adam", Adam), ("adamw", AdamW)])
def test_optimizer_is_the_one_named(name, kind):
    assert type(make_optimizer(tiny_config(optimizer=name), 10)) is kind


def test_options_reach_the_optimizer_and_the_schedule():
    assert make_optimizer(tiny_config(optimizer="momentum", momentum=0.0), 10).momentum == 0
    assert make_optimizer(tiny_config(optimizer="momentum"), 10).momentum == 0.9
    assert make_optimizer(tiny_config(optimizer="adamw", weight_decay=1e-6), 10).weight_decay == 1e-6
    step = tiny_config(learning_rate=1.0, schedule="step", decay_every=2, decay_factor=0.5)
    assert [make_optimizer(step, 10).learning_rate(t) for t in (0, 2, 4)] == [1, 0.5, 0.25]
    cosine = tiny_config(learning_rate=1.0, schedule="cosine", warmup=1, final_learning_rate=0.25)
    assert [make_optimizer(cosine, 3).learning_rate(t) for t in (0, 1, 2, 3)] == [0.5, 1, 0.625, 0.25]


def test_options_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"momentum must be in \[0, 1\), got 1.5"):
        make_optimizer(tiny_config(optimizer="momentum", momentum=1.5), 10)
    with pytest.raises(ValueError, match="warmup must be at least 0 and less than the 10 steps, got 10"):
        make_optimizer(tiny_config(schedule="cosine", warmup=10), 10)


def test_epochs_count_the_last_partial_batch():
    assert total_steps(tiny_config(steps=None, epochs=4), 20) == 4 * 7
    assert total_steps(tiny_config(steps=9), 20) == 9


def test_one_seed_is_one_model_in_either_dtype():
    single, double = make_model(tiny_config()), make_model(tiny_config(dtype="float64"))
    assert (single.dtype, double.dtype) == (np.float32, np.float64)
    np.testing.assert_array_equal(single.values, double.values.astype(np.float32))
    assert not np.array_equal(single.values, make_model(tiny_config(seed=1)).values)


def test_weights_and_noise_are_different_streams():
    n = 3 * 768
    weights = make_model(tiny_config()).values[:n]
    noise = noise_generator(0).random(n)
    assert abs(np.corrcoef(weights, noise)[0, 1]) < 0.1


def test_data_have_the_models_shape_and_the_asked_number():
    config = tiny_config()
    training, evaluation = training_data(config), evaluation_data(config)
    assert (len(training), training.shape) == (20, (16, 16, 3))
    assert (len(evaluation), evaluation.shape) == (6, (16, 16, 3))
    assert not np.array_equal(training.batch(range(6)), evaluation.batch(range(6)))


def test_a_spread_reaches_from_one_end_to_the_other():
    values = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1)
    data = ArrayDataset(values)
    assert (spread(data, 4).batch(range(4)) * 255).ravel().round().tolist() == [0, 2, 5, 7]
    assert spread(data, 10) is data


def test_images_that_do_not_fit_name_both_shapes():
    data = ArrayDataset(np.zeros((5, 28, 28, 1), dtype=np.uint8), name="digits")
    config = TrainingConfig(ModelConfig.paper("mnist"), steps=1)
    with pytest.raises(ValueError, match=r"mnist model takes .* \(32, 32, 1\), but digits has \(28, 28, 1\)"):
        require_fit(config, data, 1)
    with pytest.raises(ValueError, match="few has 1 images, at least 2 are needed"):
        require_fit(config, ArrayDataset(np.zeros((1, 32, 32, 1), dtype=np.uint8), name="few"), 2)
