"""A recipe completes its settings and says what is wrong with them."""

from dataclasses import replace

import pytest

from minirmae.models.autoencoder import ModelConfig
from minirmae.objectives.recipe import Recipe, require_setting
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


def test_a_setting_out_of_range_or_not_a_number_is_refused():
    require_setting("example", "weight", 0.0, 0)
    require_setting("example", "level", 1.0, 0, 1)
    with pytest.raises(ValueError, match=r"objective example: level must be between 0 and 1, got 1\.5"):
        require_setting("example", "level", 1.5, 0, 1)
    with pytest.raises(ValueError, match="objective example: weight must be at least 0, got nan"):
        require_setting("example", "weight", float("nan"), 0)
