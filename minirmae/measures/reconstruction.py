"""How far reconstructions are from the images."""

from __future__ import annotations

import numpy as np

from minirmae.data import Dataset, ordered_batches
from minirmae.models.autoencoder import Autoencoder


def reconstruction_error(model: Autoencoder, dataset: Dataset, *, batch_size: int = 256) -> float:
    """Return the mean squared error over all entries of all images of `dataset`, summed in float64.

    The measure is the same for every objective, unlike the loss that each is trained with.

    Raises ValueError if `batch_size` is below 1 or the images do not fit the model.
    """
    total = 0.0
    for indices in ordered_batches(len(dataset), batch_size):
        x = dataset.batch(indices, model.dtype)
        total += float(np.square(model.reconstruct(x, batch_size=batch_size) - x, dtype=np.float64).sum())
    return total / (len(dataset) * int(np.prod(dataset.shape)))
