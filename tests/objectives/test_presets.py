"""Objectives of the family on the paper's own architectures: they build, train a step, encode and decode."""

import numpy as np
import pytest

from minirmae.data import ArrayDataset
from minirmae.models.autoencoder import PRESETS, ModelConfig
from minirmae.objectives import recipe
from minirmae.optimizers import Adam
from minirmae.runs import fit

FAMILY = ["l1", "l2", "dropout", "denoising", "vae", "vae-irmae", "beta-vae", "beta-vae-capacity"]
FAMILY += ["irmae-wd", "lorae", "rrae"]


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
