"""How good a model is on images it was not trained on.

Of an autoencoder that is its loss and the rank of its codes, of a classifier
its loss and the fraction of the images that it puts into the right class.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from minirmae.arrays import array_module, asnumpy
from minirmae.data import Dataset, Labelled, ordered_batches, to_device
from minirmae.measures.rank import RankSummary, summarize
from minirmae.models.autoencoder import Autoencoder
from minirmae.models.classifier import Classifier
from minirmae.objectives import Objective, reconstruction
from minirmae.objectives.classify import cross_entropy
from minirmae.step import NonFiniteLoss


@dataclass(frozen=True)
class Evaluation:
    """Loss and rank measures of one model on one data set."""

    loss: float
    rank: RankSummary

    def to_json(self) -> dict[str, Any]:
        """Return the loss and each rank measure under its name, as a dict that `json.dumps` takes."""
        return {"loss": self.loss, **self.rank.to_json()}


@dataclass(frozen=True)
class ClassifierEvaluation:
    """Loss and accuracy (fraction of right predictions) of one classifier on one data set of `samples` images."""

    loss: float
    accuracy: float
    samples: int

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a dict that `json.dumps` takes."""
        return asdict(self)


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
            x = to_device(dataset.batch(indices, model.dtype), model.device)
            loss, _ = objective(model, x, None)
            total += float(asnumpy(loss)) * len(x)
            parts.append(model.encode(x, batch_size=batch_size))
    xp = array_module(parts[0])
    codes = xp.concatenate(parts)
    broken = (~xp.isfinite(codes)).sum().item()
    if broken or not np.isfinite(total):
        raise NonFiniteLoss(
            f"evaluation stopped: the loss on {dataset.name} is {total / len(dataset):g} and "
            f"{broken} entries of the codes are not finite. Lower the learning rate."
        )
    return Evaluation(total / len(dataset), summarize(codes))


def evaluate_classifier(
    model: Classifier, dataset: Dataset, *, batch_size: int = 256, objective: Any = cross_entropy
) -> ClassifierEvaluation:
    """Return the mean loss over the images of `dataset` and the fraction of them that `model` classifies right.

    Raises NonFiniteLoss if the loss is not finite, `DataError` if labels are missing or do not fit the model.
    """
    labelled = dataset if isinstance(dataset, Labelled) else Labelled(dataset, model.classes)
    right, total = 0, 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        for indices in ordered_batches(len(dataset), batch_size):
            batch = to_device(labelled.batch(indices, model.dtype), model.device)
            loss, _ = objective(model, batch, None)
            total += float(asnumpy(loss)) * len(batch)
            right += (model.predict(batch.images, batch_size=batch_size) == batch.labels).sum().item()
    if not np.isfinite(total):
        raise NonFiniteLoss(
            f"evaluation stopped: the loss on {dataset.name} is {total / len(dataset):g}. Lower the learning rate."
        )
    return ClassifierEvaluation(total / len(dataset), right / len(dataset), len(dataset))
