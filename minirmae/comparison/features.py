"""Features of images, between which the Frechet distance is taken.

If the images have labels, a classifier in the manner of LeNet is trained on them
once, and its last hidden layer gives the features; the shapes have a label too,
circle or square. Images without labels are projected onto the leading principal
components of the training images. That is cruder, blind to what an image shows,
and good only for comparing the rows of one table.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minirmae.arrays import Array
from minirmae.comparison.paths import Paths
from minirmae.comparison.plan import Plan
from minirmae.data import Dataset, ordered_batches
from minirmae.engine import prepared
from minirmae.files import atomic_write
from minirmae.runs import Progress, open_run, train

COMPONENTS = 64
"""Number of principal components that replace the features of a classifier."""

_COMPONENT_IMAGES = 2000
_BATCH = 256

Features = Callable[[Array], Array]
"""Images (N, H, W, C) to features (N, d)."""


def classes(dataset: Dataset) -> int | None:
    """Number of classes of `dataset`, None if it has no labels, or only one."""
    if dataset.labels is None or dataset.labels.min() < 0 or dataset.labels.max() < 1:
        return None
    return int(dataset.labels.max()) + 1


def make_features(plan: Plan, paths: Paths, progress: Progress | None = None) -> None:
    """Train the classifier, or resume its training; or compute the principal components, unless they are there.

    Raises what training raises; ValueError if images without labels are all the same.
    """
    training, _ = plan.images(seed=0)
    count = classes(training)
    if count is not None:
        train(plan.classifier_config(count), paths.classifier, resume=True, progress=progress)
    elif not paths.components.exists():
        x = training.batch(np.arange(min(len(training), _COMPONENT_IMAGES)), np.float64).reshape(-1, _size(training))
        mean = x.mean(axis=0)
        # There are usually fewer images than pixels, so the matrix of their products is the smaller one.
        values, vectors = np.linalg.eigh((x - mean) @ (x - mean).T)
        if values[-1] <= 0:
            raise ValueError(f"compare: {training.name}: the images do not vary, so they have no principal components")
        keep = values[::-1] > 1e-12 * values[-1]
        rows = (vectors.T[::-1][keep] @ (x - mean))[:COMPONENTS] / np.sqrt(values[::-1][keep][:COMPONENTS, None])
        with atomic_write(paths.components) as file:
            np.savez(file, mean=mean, components=rows)


def open_features(paths: Paths) -> Features:
    """Return the features that `make_features` made; raises what opening them raises."""
    if paths.classifier.exists():
        run = open_run(paths.classifier)
        return prepared(run.classifier(), run.config.engine).features
    with np.load(paths.components) as arrays:
        mean, rows = arrays["mean"], arrays["components"]
    return lambda images: (images.reshape(len(images), -1).astype(np.float64) - mean) @ rows.T


def features_of(features: Features, dataset: Dataset, count: int) -> Array:
    """Features (count, d) of the first `count` images of `dataset`, or of all if there are no more."""
    parts = [
        features(dataset.batch(indices, np.float32)) for indices in ordered_batches(min(count, len(dataset)), _BATCH)
    ]
    return np.concatenate(parts)


def _size(dataset: Dataset) -> int:
    return int(np.prod(dataset.shape))
