"""Train a recipe on the tiny preset in one go and in two: for objectives that keep a state."""

import numpy as np
import pytest
from objective_check import IMAGE, LATENT, NAME, _decoder, _encoder

from minirmae.data import ArrayDataset
from minirmae.models.autoencoder import PRESETS, ModelConfig, Preset
from minirmae.runs import TrainingConfig, train

DATA = ArrayDataset(np.random.default_rng(0).integers(0, 256, (20, *IMAGE), dtype=np.uint8))


def final_states(directory, recipe_name, settings):
    """`(values, fixed)` after 7 steps taken at once, and after 3 and then 4."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PRESETS, NAME, Preset(IMAGE, LATENT, 2, _encoder, _decoder))

        def trained(name, steps):
            model = ModelConfig.paper(NAME, linear_layers=0)
            config = TrainingConfig(model, objective=recipe_name, settings=settings, steps=steps, batch_size=6)
            run = train(config, directory / name, resume=True, training_set=DATA, evaluation_set=DATA).model()
            return run.values.copy(), run.fixed.copy()

        whole = trained("whole", 7)
        trained("parts", 3)
        return whole, trained("parts", 7)
