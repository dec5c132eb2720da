"""All recipes, by name; a recipe's file is imported when it is asked for."""

from __future__ import annotations

import importlib

from minirmae.objectives.recipe import Recipe
from minirmae.validation import require_choice

_FILES = {
    "plain": "plain",
}
"""Name of the recipe to name of its file; the order is that of tables."""

NAMES = tuple(_FILES)


def recipe(name: str) -> Recipe:
    """Return the recipe called `name`.

    Raises ValueError if there is none.

    >>> recipe("plain").title
    'AE'
    """
    require_choice("objective", "name", name, NAMES)
    found = importlib.import_module(f"minirmae.objectives.{_FILES[name]}").RECIPE
    assert isinstance(found, Recipe)
    return found
