"""From the words of a configuration to the objects they name: data, model, optimiser, random numbers.

Each kind of randomness has a stream of its own,
`numpy.random.default_rng([stream, seed])`, so that none depends on how much
another used: 1 to 4 are those of `minirmae.data`, 5 draws the weights, and 6
is the noise in training (`minirmae.loop`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minirmae.data import Dataset, Labelled, Subset, open_dataset, spread_indices, steps_per_epoch
from minirmae.models.autoencoder import PRESETS, Autoencoder
from minirmae.models.classifier import Classifier
from minirmae.objectives.objective import Objective
from minirmae.objectives.registry import recipe
from minirmae.optimizers import SGD, Adam, AdamW, Momentum, Optimizer, Schedule
from minirmae.runs.config import TrainingConfig
from minirmae.schedules import cosine, step_decay

_WEIGHT_STREAM = 5


def make_model(config: TrainingConfig) -> Autoencoder | Classifier:
    """Return the model with its initial weights; raises ValueError if the objective's recipe refuses it."""
    rng = np.random.default_rng([_WEIGHT_STREAM, config.seed])
    return recipe(config.objective).build(config.model, config.settings, rng, np.dtype(config.dtype))


def make_objective(config: TrainingConfig) -> Objective:
    """Return what is minimised."""
    return recipe(config.objective).objective(config.settings)


def make_optimizer(config: TrainingConfig, steps: int) -> Optimizer:
    """Return the optimiser with its schedule; the cosine ends after `steps`, the total number.

    Raises ValueError for a momentum, decay or warm-up out of range.
    """
    rate: float | Schedule = config.learning_rate
    if config.schedule == "step":
        # The configuration has checked that decay_every is there.
        rate = step_decay(config.learning_rate, every=config.decay_every or 1, factor=config.decay_factor or 0.1)
    elif config.schedule == "cosine":
        final = config.final_learning_rate or 0.0
        rate = cosine(config.learning_rate, steps=steps, warmup=config.warmup or 0, final=final)
    make: dict[str, Callable[[], Optimizer]] = {
        "sgd": lambda: SGD(rate),
        "momentum": lambda: Momentum(rate, 0.9 if config.momentum is None else config.momentum),
        "adam": lambda: Adam(rate),
        "adamw": lambda: AdamW(rate, weight_decay=1e-2 if config.weight_decay is None else config.weight_decay),
    }
    return make[config.optimizer]()


def total_steps(config: TrainingConfig, images: int) -> int:
    """Return the number of steps of the whole run on `images` training images."""
    if config.steps is not None:
        return config.steps
    return (config.epochs or 0) * steps_per_epoch(images, config.batch_size)


def training_data(config: TrainingConfig) -> Dataset:
    """Open the images to train on; raises what `open_dataset` raises."""
    return _open(config, "train", config.training_images)


def evaluation_data(config: TrainingConfig) -> Dataset:
    """Open the images to evaluate on, at most `config.evaluation_images`; raises what `open_dataset` raises."""
    return spread(_open(config, "evaluation", None), config.evaluation_images)


def spread(dataset: Dataset, count: int) -> Dataset:
    """Return `count` images of `dataset`, spread evenly over it, or all of it if there are no more.

    Evenly, because the files of a folder or of a data set are often sorted by class.
    """
    if len(dataset) <= count:
        return dataset
    return Subset(dataset, spread_indices(len(dataset), count))


def batches_for(model: Autoencoder | Classifier, dataset: Dataset) -> Dataset:
    """Return `dataset` as the model's objective takes its batches: images, or with their labels for a classifier.

    Raises `DataError` if a classifier's labels are missing or do not fit.
    """
    return Labelled(dataset, model.classes) if isinstance(model, Classifier) else dataset


def require_fit(config: TrainingConfig, dataset: Dataset, minimum: int) -> None:
    """Raise ValueError unless the images of `dataset` fit the model and there are at least `minimum` of them."""
    expected = PRESETS[config.model.preset].image
    if tuple(dataset.shape) != expected:
        raise ValueError(
            f"train: the {config.model.preset} model takes images of shape {expected}, but {dataset.name} has "
            f"{tuple(dataset.shape)}; resize the images or choose another preset"
        )
    if len(dataset) < minimum:
        raise ValueError(f"train: {dataset.name} has {len(dataset)} images, at least {minimum} are needed")


def _open(config: TrainingConfig, split: str, count: int | None) -> Dataset:
    height, width, channels = PRESETS[config.model.preset].image
    return open_dataset(
        config.data,
        split,
        shape=(height, width, channels),
        seed=config.seed,
        count=count,
        crop=config.crop,
        evaluation_fraction=config.evaluation_fraction,
    )
