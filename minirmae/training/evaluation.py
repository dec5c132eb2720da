"""How good a model is on images it was not trained on: its loss, and the rank of its codes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minirmae.autoencoders import Autoencoder
from minirmae.data import Dataset, ordered_batches
from minirmae.objectives import Objective, reconstruction
from minirmae.rank import RankSummary, summarize
from minirmae.training.loop import NonFiniteLoss


@dataclass(frozen=True)
class Evaluation:
    """Loss and rank measures of one model on one data set."""

    loss: float
    rank: RankSummary


def evaluate(
    model: Autoencoder, dataset: Dataset, *, batch_size: int = 256, objective: Objective = reconstruction
) -> Evaluation:
    """Return the mean loss over the images of `dataset` and the rank measures of their codes z.

    Batches keep memory small; each counts by its size, so the loss is that of all images at once.

    Raises NonFiniteLoss if the loss or a code is not finite, ValueError if there are fewer than 2 images.
    """
    parts, total = [], 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        for indices in ordered_batches(len(dataset), batch_size):
            x = dataset.batch(indices, model.dtype)
            loss, _ = objective(model, x, None)
            total += float(loss) * len(x)
            parts.append(model.encode(x, batch_size=batch_size))
    codes = np.concatenate(parts)
    if not (np.isfinite(total) and np.isfinite(codes).all()):
        raise NonFiniteLoss(
            f"evaluation stopped: the loss on {dataset.name} is {total / len(dataset):g} and "
            f"{np.count_nonzero(~np.isfinite(codes))} entries of the codes are not finite. Lower the learning rate."
        )
    return Evaluation(total / len(dataset), summarize(codes))
