"""Classification: the one objective here whose model is no autoencoder.

A LeNet-type classifier is trained on labelled images. Its features serve to
compare sets of images (`minirmae.measures`). The loss is the mean cross-entropy
of the softmax of its logits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minirmae.arrays import Array
from minirmae.data import LabelledBatch
from minirmae.layers import Layer
from minirmae.models.autoencoder import PRESETS, ModelConfig
from minirmae.models.classifier import Classifier, lenet
from minirmae.objectives.objective import ObjectiveBackward
from minirmae.objectives.recipe import Recipe, Settings
from minirmae.ops import softmax_cross_entropy
from minirmae.validation import require_int


def cross_entropy(
    model: Layer, batch: LabelledBatch, rng: np.random.Generator | None = None
) -> tuple[Array, ObjectiveBackward]:
    """Mean over the batch of `-log softmax(logits)[label]`."""
    logits, model_backward = model(batch.images, rng)
    loss, loss_backward = softmax_cross_entropy(logits, batch.labels)

    def backward() -> None:
        model_backward(loss_backward())

    return loss, backward


def _objective(settings: Settings) -> Any:
    require_int("objective classify", "classes", settings["classes"], 2)
    return cross_entropy


def _build(config: ModelConfig, settings: Settings, rng: np.random.Generator, dtype: Any) -> Classifier:
    if config != ModelConfig.paper(config.preset, linear_layers=0):
        raise ValueError(
            "objective classify: the classifier takes only the images' size from the preset and has neither code nor "
            "linear layers; leave out latent, linear_layers and variant"
        )
    return lenet(PRESETS[config.preset].image, settings["classes"], rng, dtype)


RECIPES = (
    Recipe(
        name="classify",
        title="LeNet",
        statement="classify labelled images, for features to measure images by",
        source="LeCun, Bottou, Bengio, Haffner 1998 (Proceedings of the IEEE 86)",
        objective=_objective,
        build=_build,
        settings={"classes": 10},
        training={"batch_size": 64, "learning_rate": 2e-3, "schedule": "cosine", "evaluation_images": 10_000},
        per_image=True,
    ),
)
