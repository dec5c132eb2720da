"""Recipes: every one is complete and says what is wrong with its settings."""

from dataclasses import replace

import pytest

from minirmae.models.autoencoder import ModelConfig
from minirmae.objectives import NAMES, recipe
from minirmae.objectives.recipe import Recipe
from minirmae.runs import TrainingConfig

EXAMPLE = Recipe(
    "example",
    "E",
    "s",
    "p",
    lambda settings: None,
    settings={"weight": 1.0, "count": 3, "kind": "a"},
    choices={"kind": ("a", "b")},
)


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_is_found_under_its_name_and_says_where_it_comes_from(name):
    found = recipe(name)
    assert found.name == name
    assert all((found.title, found.statement, found.source))
    assert found.complete({}) == dict(found.settings)
    assert set(found.essential) <= set(found.training)


def test_settings_are_completed_and_checked():
    assert EXAMPLE.complete({"weight": 2, "count": 4.0, "kind": "b"}) == {"weight": 2.0, "count": 4, "kind": "b"}
    with pytest.raises(ValueError, match="unknown setting wight; known are: weight, count, kind"):
        EXAMPLE.complete({"wight": 1.0})
    with pytest.raises(TypeError, match="count must be an integer"):
        EXAMPLE.complete({"count": 3.5})
    with pytest.raises(TypeError, match="weight must be a number, got 'x'"):
        EXAMPLE.complete({"weight": "x"})
    with pytest.raises(ValueError, match="weight must be finite"):
        EXAMPLE.complete({"weight": float("nan")})
    with pytest.raises(ValueError, match="kind must be one of a, b, got 'c'"):
        EXAMPLE.complete({"kind": "c"})


def test_a_configuration_holds_all_settings_and_refuses_unknown_objectives():
    config = TrainingConfig(ModelConfig.paper("shapes"), steps=1)
    assert (config.objective, config.settings) == ("plain", {})
    with pytest.raises(ValueError, match="objective"):
        replace(config, objective="unknown")
    with pytest.raises(ValueError, match="unknown setting weight; known are: none"):
        replace(config, settings={"weight": 1.0})
