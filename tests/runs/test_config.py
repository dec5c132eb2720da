"""The configuration says what is wrong with it, early."""

import json
import math

import pytest

from minirmae.models.autoencoder import ModelConfig
from minirmae.runs import TrainingConfig

MODEL = ModelConfig.paper("shapes")


def test_defaults_are_the_papers():
    config = TrainingConfig(MODEL, epochs=100)
    assert (config.optimizer, config.learning_rate, config.batch_size, config.dtype) == ("adam", 1e-4, 32, "float32")


def test_json_round_trip_is_exact():
    config = TrainingConfig(
        MODEL, steps=7, optimizer="momentum", momentum=0.1 + 0.2, schedule="step", decay_every=3, crop=None, seed=2**70
    )
    assert TrainingConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"steps": None}, "exactly one of steps and epochs must be given, got None and None"),
        ({"epochs": 2}, "exactly one of steps and epochs must be given, got 5 and 2"),
        ({"steps": 0}, "steps must be an integer of at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be an integer of at least 1, got 0"),
        ({"training_images": 0}, "training_images must be an integer of at least 1"),
        ({"crop": 0}, "crop must be an integer of at least 1"),
        ({"log_every": 0}, "log_every must be"),
        ({"evaluate_every": -1}, "evaluate_every must be"),
        ({"checkpoint_every": 0}, "checkpoint_every must be"),
        ({"evaluation_images": 1}, "evaluation_images must be an integer of at least 2, got 1"),
        ({"evaluation_fraction": 1.0}, "evaluation_fraction must lie between 0 and 1, got 1.0"),
        ({"seed": -1}, "seed must be an integer of at least 0"),
        ({"learning_rate": 0.0}, "learning_rate must be a positive number, got 0.0"),
        ({"learning_rate": math.nan}, "learning_rate must be a positive number, got nan"),
        ({"learning_rate": math.inf}, "learning_rate must be a positive number, got inf"),
        ({"optimizer": "lion"}, "optimizer must be one of sgd, momentum, adam, adamw; got 'lion'"),
        ({"schedule": "linear"}, "schedule must be one of constant, step, cosine"),
        ({"dtype": "float16"}, "dtype must be one of float32, float64"),
        ({"momentum": 0.9}, "momentum goes with optimizer momentum, but optimizer is adam"),
        ({"weight_decay": 0.0}, "weight_decay goes with optimizer adamw, but optimizer is adam"),
        ({"warmup": 3}, "warmup goes with schedule cosine, but schedule is constant"),
        ({"schedule": "step"}, "the step schedule needs decay_every"),
        ({"schedule": "step", "decay_every": 2, "decay_factor": -1.0}, "decay_factor must be a positive number"),
    ],
)
def test_what_cannot_be_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        TrainingConfig(MODEL, **{"steps": 5, **changes})


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"steps": 5.0}, "steps must be int or None, got 5.0"),
        ({"steps": True}, "steps must be int or None, got True"),
        ({"data": None}, "data must be str, got None"),
        ({"learning_rate": "fast"}, "learning_rate must be float, got 'fast'"),
        ({"model": "shapes"}, "model must be ModelConfig, got 'shapes'"),
    ],
)
def test_wrong_types_are_refused(changes, message):
    with pytest.raises(TypeError, match=message):
        TrainingConfig(**{"model": MODEL, "steps": 5, **changes})


def test_an_integer_is_a_number():
    assert TrainingConfig(MODEL, steps=5, learning_rate=1).learning_rate == 1


@pytest.mark.parametrize(
    "change, error, message",
    [
        (
            lambda r: r.update(learning_rat=1.0),
            ValueError,
            "unknown field learning_rat; known are model, objective",
        ),
        (lambda r: r["model"].update(depth=2), ValueError, "model: unknown field depth"),
        (lambda r: r.pop("model"), ValueError, "model is missing"),
        (lambda r: r["model"].pop("latent"), ValueError, "model: latent is missing"),
        (lambda r: r["model"].update(preset=[]), TypeError, r"model: preset must be str, got \[\]"),
        (lambda r: r["model"].update(preset="cifar"), ValueError, "preset must be one of shapes, mnist, celeba"),
        (lambda r: r.update(model=None), TypeError, "model: must be a JSON object, got NoneType"),
        (lambda r: r.update(seed="0"), TypeError, "seed must be int, got '0'"),
    ],
)
def test_from_json_names_the_place(change, error, message):
    record = TrainingConfig(MODEL, steps=5).to_json()
    change(record)
    with pytest.raises(error, match=message):
        TrainingConfig.from_json(record)


def test_from_json_wants_an_object():
    with pytest.raises(TypeError, match="must be a JSON object, got list"):
        TrainingConfig.from_json([])


def test_a_run_may_go_on_longer_and_nothing_else():
    saved = TrainingConfig(MODEL, steps=5).to_json()
    TrainingConfig(MODEL, epochs=9).require_continues(saved)
    with pytest.raises(ValueError, match=r"learning_rate was 0.0001 and is 0.1; undo that"):
        TrainingConfig(MODEL, steps=5, learning_rate=0.1).require_continues(saved)


def test_a_cosine_is_laid_out_to_its_end():
    saved = TrainingConfig(MODEL, steps=5, schedule="cosine")
    saved.require_continues(saved.to_json())
    with pytest.raises(ValueError, match="steps was 5 and is 6"):
        TrainingConfig(MODEL, steps=6, schedule="cosine").require_continues(saved.to_json())
