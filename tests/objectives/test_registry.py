"""Recipes are found under their names; on the paper's own architectures they train a step, encode and decode."""

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minirmae.objectives
from minirmae.data import ArrayDataset
from minirmae.models.autoencoder import PRESETS, ModelConfig
from minirmae.objectives import NAMES, recipe
from minirmae.optimizers import Adam
from minirmae.runs import fit

FAMILY = ["l1", "l2", "dropout", "denoising", "vae", "vae-irmae", "beta-vae", "beta-vae-capacity"]
FAMILY += ["irmae-wd", "lorae", "rrae"]


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_is_found_under_its_name_and_says_where_it_comes_from(name):
    found = recipe(name)
    assert found.name == name
    assert all((found.title, found.statement, found.source))
    assert found.complete({}) == dict(found.settings)
    assert set(found.essential) <= set(found.training)


def test_every_recipe_of_every_module_is_registered_once():
    modules = sorted(path.stem for path in Path(minirmae.objectives.__file__).parent.glob("[!_]*.py"))
    found = [importlib.import_module(f"minirmae.objectives.{name}") for name in modules]
    assert sorted(one.name for module in found for one in getattr(module, "RECIPES", ())) == sorted(NAMES)


def test_a_module_is_imported_when_its_recipe_is_asked_for():
    code = """
import sys
from minirmae.objectives import recipe
assert "minirmae.objectives.vae" not in sys.modules
recipe("beta-vae")
assert "minirmae.objectives.vae" in sys.modules
assert "minirmae.objectives.rae" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize("preset", ["shapes", "mnist"])
def test_a_step_moves_every_parameter_and_codes_have_the_latent_width(name, preset):
    found, n = recipe(name), 3
    settings = found.complete({})
    config = ModelConfig.paper(preset, latent=n, linear_layers=found.linear_layers)
    model = found.build(config, settings, np.random.default_rng(0), np.dtype(np.float32))
    images = np.random.default_rng(1).integers(0, 256, (4, *PRESETS[preset].image), dtype=np.uint8)
    before = {path: p.value.copy() for path, p in model.named_parameters() if p.trainable and p.size}
    losses = fit(model, ArrayDataset(images), Adam(1e-4), steps=1, batch_size=4, objective=found.objective(settings))
    assert np.isfinite(losses).all()
    still = [path for path, p in model.named_parameters() if path in before and np.array_equal(p.value, before[path])]
    assert not still
    x = images.astype(np.float32) / 255
    z = model.encode(x)
    assert z.shape == (4, n)
    assert model.decode(z).shape == x.shape
    np.testing.assert_array_equal(model.encode(x), z)
