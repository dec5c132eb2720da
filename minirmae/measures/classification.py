"""Classification from frozen codes: the downstream task of IRMAE's paper.

Jing, Zbontar and LeCun 2020 train a small network on the codes of the first k
training images, with k down to a few, and test it on the codes of the test
images: the better the codes, the fewer labels it takes. The settings are those
of their public code: codes h, taken before the linear layers and not scaled; two
linear layers of 128 units, each with ReLU and dropout 0.5, then one to the
classes; Adam with rate 1e-3, batches of 100, 500 epochs. One thing differs:
they report the best accuracy seen on the test images, which is a choice made
with them; here it is the accuracy at the end.

`accuracy_curve` measures this, or the linear probe, for several numbers of labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minirmae.arrays import Array
from minirmae.data import batches
from minirmae.data.dataset import require_labels
from minirmae.layers import Dropout, Linear, ReLU, Sequential
from minirmae.measures.codes import require_matrix
from minirmae.ops import softmax_cross_entropy
from minirmae.optimizers import Adam
from minirmae.validation import require_positive_int

Predictor = Callable[[Array, Array, Array], Array]
"""(codes (N, n), labels (N,), test codes (M, n)) -> predicted labels (M,)."""

COUNTS = (10, 100, 1000, 10_000)
"""Numbers of labels of the table."""

_WEIGHTS, _NOISE = 7, 8
"""Streams of random numbers, distinct from those of data and training."""


def classification_head(inputs: int, classes: int, rng: np.random.Generator, dtype: Any = np.float32) -> Sequential:
    """The paper's network from codes (N, inputs) to logits (N, classes), with weights drawn from `rng`."""
    return Sequential(
        *(Linear(inputs, 128, rng=rng, dtype=dtype), ReLU(), Dropout(0.5)),
        *(Linear(128, 128, rng=rng, dtype=dtype), ReLU(), Dropout(0.5)),
        Linear(128, classes, rng=rng, dtype=dtype),
    )


def head_predictions(
    codes: Array,
    labels: Array,
    test_codes: Array,
    *,
    epochs: int = 500,
    batch_size: int = 100,
    learning_rate: float = 1e-3,
    seed: int = 0,
) -> Array:
    """Train the paper's head on codes (N, n) with their labels, and return the labels it gives test codes (M, n).

    Args:
        labels: N integers; only labels that occur among them are ever predicted.
        epochs, batch_size, learning_rate: of Adam; the defaults are the paper's.
        seed: of the weights, the order and the dropout.

    Raises:
        TypeError: codes are not floats or labels not integers.
        ValueError: codes are not finite matrices of one width, labels do not fit, or a number is out of range.
    """
    where = "head_predictions"
    train = require_matrix(where, "codes", codes).astype(np.float32)
    test = require_matrix(where, "test_codes", test_codes).astype(np.float32)
    require_positive_int(where, epochs=epochs, batch_size=batch_size)
    if train.shape[1] != test.shape[1]:
        raise ValueError(f"{where}: codes are {train.shape[1]} wide, but test codes are {test.shape[1]} wide")
    classes, numbers = np.unique(require_labels(where, labels, len(train), of="codes"), return_inverse=True)
    head = classification_head(train.shape[1], len(classes), np.random.default_rng([_WEIGHTS, seed]))
    optimizer, noise = Adam(learning_rate), np.random.default_rng([_NOISE, seed])
    for epoch in range(epochs):
        for indices in batches(len(train), batch_size, seed=seed, epoch=epoch):
            logits, backward = head(train[indices], noise)
            _, loss_backward = softmax_cross_entropy(logits, numbers[indices])
            head.zero_grads()
            backward(loss_backward())
            optimizer.step(head.values, head.grads)
    logits, _ = head(test)
    return classes[logits.argmax(axis=1)]


def accuracy_curve(
    predictor: Predictor,
    codes: Array,
    labels: Array,
    test_codes: Array,
    test_labels: Array,
    counts: Sequence[int] = COUNTS,
) -> dict[int, float]:
    """Return for each number k of labels the accuracy on the test codes after training on the first k codes.

    Args:
        predictor: `head_predictions`, `probe_predictions` or another function of that form.
        codes, labels: of the training images in their order; counts larger than their number are left out.
        test_codes, test_labels: what accuracy is measured on.

    Raises what the predictor raises, and ValueError for counts that are not positive integers.
    """
    require_positive_int("accuracy_curve", **{f"count {k}": k for k in counts})
    return {k: accuracy(predictor(codes[:k], labels[:k], test_codes), test_labels) for k in counts if k <= len(codes)}


def accuracy(predicted: Array, labels: Array) -> float:
    """Return the fraction of `predicted` that equals `labels`, in [0, 1]; both hold N integers."""
    predicted = np.asarray(predicted)
    return float(np.mean(predicted == require_labels("accuracy", labels, len(predicted), of="predictions")))
