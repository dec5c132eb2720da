"""All recipes, by name; a recipe's file is imported when it is asked for."""

from __future__ import annotations

import importlib

from minirmae.objectives.recipe import Recipe
from minirmae.validation import require_choice

_FILES = {
    "plain": "plain",
    "l1": "l1",
    "l2": "l2",
    "dropout": "dropout",
    "denoising": "denoising",
    "vae": "vae",
    "vae-irmae": "vae_irmae",
    "beta-vae": "beta_vae",
    "beta-vae-capacity": "beta_vae_capacity",
    "contractive": "contractive",
    "saturating": "saturating",
    "rae-l2": "rae_l2",
    "rae-gp": "rae_gp",
    "rae-sn": "rae_sn",
    "irmae-wd": "irmae_wd",
    "lorae": "lorae",
    "rrae": "rrae",
    "overcomplete": "overcomplete",
    "sparse": "sparse",
    "vq-vae": "vq_vae",
    "classify": "classify",
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
