"""The reconstruction error is a plain mean, whatever the batches."""

import numpy as np
import pytest

from minirmae.data import shapes
from minirmae.measures.reconstruction import reconstruction_error
from minirmae.models.autoencoder import ModelConfig, build


@pytest.mark.parametrize("batch_size", [3, 7, 256])
def test_the_mean_over_all_entries_of_all_images(batch_size):
    model = build(ModelConfig("shapes", 4, 0), np.random.default_rng(0))
    data = shapes(7, seed=0)
    x = data.batch(range(7), np.float32)
    expected = ((model.reconstruct(x).astype(np.float64) - x) ** 2).mean()
    assert reconstruction_error(model, data, batch_size=batch_size) == pytest.approx(expected, rel=1e-6)
