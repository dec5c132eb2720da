"""A recipe: an objective, the model that it needs, and the settings that its paper chose.

`minirmae train --objective NAME` looks a recipe up in `registry.py`. Each module
of this package states its equations, implements value and backward, and ends
with its recipes, the tuple `RECIPES`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minirmae.models.autoencoder import Autoencoder, ModelConfig, build
from minirmae.models.classifier import Classifier
from minirmae.objectives.objective import Objective

Settings = Mapping[str, Any]
"""Values by name: numbers, or words where the default is a word."""


def plain_model(config: ModelConfig, settings: Settings, rng: np.random.Generator, dtype: Any) -> Autoencoder:
    """The preset as it is."""
    return build(config, rng, dtype)


@dataclass(frozen=True)
class Recipe:
    """How to train one member of the family.

    Attributes:
        name: as `minirmae train --objective` takes it.
        title: short name for legends and tables.
        statement: what is minimised, in one line.
        source: the paper.
        objective: returns the objective for complete settings; raises ValueError if a setting is out of range.
        build: returns the model for a configuration, complete settings, a generator and a dtype;
            raises ValueError if they are incompatible.
        settings: every setting with its default.
        choices: the allowed words of each setting that is a word.
        linear_layers: the default number of linear layers; None means the preset's own.
        per_image: whether the loss is a mean over images, perhaps plus terms of the parameters alone, and backward
            returns no `update`; then several workers can share a batch.
        training: fields of the training configuration in which the paper differs from IRMAE.
        essential: names from `training` without which the method would be another; other values are refused.
    """

    name: str
    title: str
    statement: str
    source: str
    objective: Callable[[Settings], Objective]
    build: Callable[[ModelConfig, Settings, np.random.Generator, Any], Autoencoder | Classifier] = plain_model
    settings: Settings = field(default_factory=dict)
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    linear_layers: int | None = 0
    per_image: bool = False
    training: Mapping[str, Any] = field(default_factory=dict)
    essential: tuple[str, ...] = ()

    def complete(self, settings: Settings) -> dict[str, Any]:
        """Return all settings: those given, and the defaults of the others.

        Raises:
            TypeError: a value is not of the same kind as its default.
            ValueError: an unknown name, an unknown word, or a number that is not finite or that the objective refuses.
        """
        unknown = sorted(set(settings) - set(self.settings))
        if unknown:
            known = ", ".join(self.settings) or "none"
            raise ValueError(f"objective {self.name}: unknown setting {', '.join(unknown)}; known are: {known}")
        result = {name: self._checked(name, settings.get(name, default)) for name, default in self.settings.items()}
        self.objective(result)
        return result

    def require_training(self, fields: Mapping[str, Any]) -> None:
        """Raise ValueError if a training configuration with these fields is not one of this objective."""
        for name in self.essential:
            needed = self.training[name]
            if fields[name] != needed:
                raise ValueError(
                    f"objective {self.name} is {self.statement}: {name} must be {needed}, got {fields[name]}; "
                    f"choose {needed}, as `minirmae train` does by itself, or another objective, such as plain"
                )

    def _checked(self, name: str, value: Any) -> Any:
        default = self.settings[name]
        if isinstance(default, str):
            if value not in self.choices[name]:
                raise ValueError(
                    f"objective {self.name}: {name} must be one of {', '.join(self.choices[name])}, got {value!r}"
                )
            return value
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError(f"objective {self.name}: {name} must be a number, got {value!r}")
        if isinstance(default, int) and value != int(value):
            raise TypeError(f"objective {self.name}: {name} must be an integer, got {value!r}")
        if not math.isfinite(value):
            raise ValueError(f"objective {self.name}: {name} must be finite, got {value!r}")
        return type(default)(value)


def require_setting(objective: str, name: str, value: float, low: float, high: float = math.inf) -> None:
    """Raise ValueError unless `low <= value <= high`.

    >>> require_setting("l1", "weight", -1.0, 0.0)
    Traceback (most recent call last):
    ...
    ValueError: objective l1: weight must be at least 0, got -1.0
    """
    if not low <= value <= high:
        expected = f"at least {low:g}" if high == math.inf else f"between {low:g} and {high:g}"
        raise ValueError(f"objective {objective}: {name} must be {expected}, got {value!r}")
