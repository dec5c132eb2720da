"""An evaluation is that of all images at once, whatever the batches."""

import numpy as np
import pytest

from minirmae.data import ArrayDataset
from minirmae.layers import Dropout, Flatten, Linear, LinearStack, Reshape, Sequential
from minirmae.measures.rank import summarize
from minirmae.models.autoencoder import Autoencoder
from minirmae.runs import NonFiniteLoss, evaluate

DATA = ArrayDataset(np.random.default_rng(0).integers(0, 256, (10, 3, 3, 1), dtype=np.uint8), name="noise")


def model():
    rng = np.random.default_rng(1)
    encoder = Sequential(Flatten(), Dropout(0.5), Linear(9, 2, rng=rng, dtype=np.float64))
    decoder = Sequential(Linear(2, 9, rng=rng, dtype=np.float64), Reshape((3, 3, 1)))
    return Autoencoder(encoder, LinearStack(2, 1, rng=rng, dtype=np.float64), decoder)


@pytest.mark.parametrize("batch_size", [3, 10, 64])
def test_batches_do_not_matter(batch_size):
    network, x = model(), DATA.batch(range(10), np.float64)
    result = evaluate(network, DATA, batch_size=batch_size)
    assert result.loss == pytest.approx(((network.reconstruct(x) - x) ** 2).mean(), rel=1e-14)
    np.testing.assert_allclose(result.rank.eigenvalues, summarize(network.encode(x)).eigenvalues, rtol=1e-12)
    assert result.rank.samples == 10


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_a_diverged_model_is_named(part):
    network = model()
    getattr(network, part).values[...] = np.inf
    with pytest.raises(
        NonFiniteLoss, match=r"the loss on noise is (nan|inf) and .* entries of the codes are not finite"
    ):
        evaluate(network, DATA)
