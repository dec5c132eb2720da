"""A recipe: an objective, the model it needs, and the settings that its paper chose.

`minirmae train --objective NAME` looks a recipe up in `registry.py`. Every
recipe is a file of its own: the statement, the value, the backward and, at its
end, the record `RECIPE`.
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
        objective: the objective for complete settings; raises ValueError if one is out of range.
        build: the model for a configuration, complete settings, a generator and a dtype;
            raises ValueError if they do not go together.
        settings: every setting with the paper's default.
        choices: the words that a setting may be, by its name.
        linear_layers: l where none is asked for; None is the preset's own number.
        per_image: whether the loss is a mean over images, perhaps plus terms of the parameters alone, and moves
            nothing else; then several workers can share a batch.
        training: fields of the training configuration that the paper sets otherwise than IRMAE's.
        essential: names out of `training` that make the objective what it is; another value is refused.
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
            TypeError: a value is not of its default's kind.
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
