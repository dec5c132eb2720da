"""All recipes, by name; the module of a recipe is imported when the recipe is asked for."""

from __future__ import annotations

import importlib

from minirmae.objectives.recipe import Recipe
from minirmae.validation import require_choice

_MODULES = {
    "plain": "plain",
    "l1": "penalties",
    "l2": "penalties",
    "dropout": "noise",
    "denoising": "noise",
    "vae": "vae",
    "vae-irmae": "vae",
    "beta-vae": "vae",
    "beta-vae-capacity": "vae",
    "contractive": "contractive",
    "saturating": "saturating",
    "rae-l2": "rae",
    "rae-gp": "rae",
    "rae-sn": "rae",
    "irmae-wd": "plain",
    "lorae": "penalties",
    "rrae": "rrae",
    "overcomplete": "overcomplete",
    "sparse": "sparse",
    "vq-vae": "vq_vae",
    "classify": "classify",
}
"""The module whose `RECIPES` contain the recipe of that name; tables list the names in this order."""

NAMES = tuple(_MODULES)


def recipe(name: str) -> Recipe:
    """Return the recipe called `name`.

    Raises ValueError if there is none.

    >>> recipe("plain").title
    'AE'
    """
    require_choice("objective", "name", name, NAMES)
    recipes: tuple[Recipe, ...] = importlib.import_module(f"minirmae.objectives.{_MODULES[name]}").RECIPES
    return next(found for found in recipes if found.name == name)
