"""The plan: equal budgets, each paper's optimiser, errors before anything is trained."""

import json

import numpy as np
import pytest

from minirmae.comparison.plan import METHODS, Plan
from minirmae.objectives.registry import NAMES, recipe
from minirmae.runs import make_model


def test_methods_are_every_objective_of_an_autoencoder():
    assert METHODS[:2] == ("ae", "irmae")
    assert set(METHODS[2:]) == set(NAMES) - {"plain", "classify"}


@pytest.mark.parametrize("method", METHODS)
def test_budgets_are_equal_and_the_rest_is_the_recipe_s(method):
    config = Plan(steps=70, batch_size=24, training_images=640).config(method, 2)
    assert (config.steps, config.epochs, config.batch_size, config.training_images) == (70, None, 24, 640)
    assert (config.seed, config.data) == (2, "shapes")
    chosen = recipe(config.objective)
    assert config.learning_rate == chosen.training.get("learning_rate", 1e-4)
    assert config.optimizer == chosen.training.get("optimizer", "adam")
    assert config.settings == dict(chosen.settings)
    assert make_model(config).values.size > 0


def test_irmae_differs_from_the_autoencoder_by_its_linear_layers():
    plan = Plan(steps=1, preset="mnist", data="mnist", linear_layers=None)
    ae, irmae = plan.config("ae", 0), plan.config("irmae", 0)
    assert (ae.objective, irmae.objective) == ("plain", "plain")
    assert (ae.model.linear_layers, irmae.model.linear_layers) == (0, 8)
    assert Plan(steps=1, linear_layers=2).config("irmae", 0).model.linear_layers == 2


def test_settings_reach_their_method_only():
    plan = Plan(steps=1, methods=("ae", "l1", "l2"), settings={"l1": {"weight": 0.5}})
    assert plan.config("l1", 0).settings == {"weight": 0.5}
    assert plan.config("l2", 0).settings != {"weight": 0.5}


def test_the_plan_survives_json():
    plan = Plan(methods=("ae", "l1"), epochs=2, settings={"l1": {"weight": 0.5}}, labels=(10,))
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_the_first_seed_of_every_method_comes_first():
    plan = Plan(methods=("ae", "irmae"), steps=1, seeds=2)
    assert plan.runs() == [("ae", 0), ("irmae", 0), ("ae", 1), ("irmae", 1)]


def test_only_what_is_measured_makes_measures_stale():
    plan = Plan(steps=1)
    assert plan.measured() == Plan(steps=5, methods=("ae",), seeds=1).measured()
    assert plan.measured() != Plan(steps=1, samples=100).measured()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"methods": ("ae", "gan")}, "compare: method must be one of ae, irmae, .*; got 'gan'"),
        ({"methods": ()}, "methods must be named, each once; got none"),
        ({"methods": ("ae", "ae")}, "methods must be named, each once; got ae, ae"),
        ({"seeds": 0}, "seeds must be an integer of at least 1"),
        ({"samples": 5}, "samples must be an integer of at least 30"),
        ({"labels": (0,)}, "number of labels 0 must be"),
        ({"steps": None}, "exactly one of steps and epochs"),
        ({"batch_size": 0}, "batch_size must be an integer of at least 1"),
        ({"settings": {"l1": {"weight": -1.0}}}, "weight"),
        ({"settings": {"gan": {}}}, "method with a setting must be one of"),
        ({"preset": "cifar"}, "preset must be one of"),
    ],
)
def test_what_cannot_be_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        Plan(**{"steps": 1, **change})


def test_too_few_images_are_an_error(tmp_path):
    np.save(tmp_path / "few.npy", np.zeros((60, 32, 32, 3), np.uint8))
    with pytest.raises(ValueError, match="few/evaluation has 6 images, at least 30 are needed"):
        Plan(steps=1, data=str(tmp_path / "few.npy")).images(seed=0)
    with pytest.raises(ValueError, match="shapes/train has 20 images, at least 30"):
        Plan(steps=1, training_images=20).images(seed=0)
