"""What a model is trained for: the loss of each method with its gradient, and the recipes that name them.

To write your own, return `loss, backward` from a function of `(model, x, rng)`
and pass it to `minirmae.fit` or `minirmae.train`.
"""

from __future__ import annotations

from minirmae.objectives.objective import Objective, ObjectiveBackward, Update
from minirmae.objectives.plain import reconstruction
from minirmae.objectives.recipe import Recipe
from minirmae.objectives.registry import NAMES, recipe

__all__ = ["NAMES", "Objective", "ObjectiveBackward", "Recipe", "Update", "recipe", "reconstruction"]
