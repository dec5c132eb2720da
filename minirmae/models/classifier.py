"""A classifier of images in the manner of LeNet-5, whose last hidden layer gives features to measure images by.

    x -> convolution, pooling, convolution, pooling, linear, linear -> features -> linear -> logits

The layers and widths are those of LeCun, Bottou, Bengio, Haffner 1998, section
II-B: 5 x 5 kernels with 6 and 16 channels, windows of 2 x 2 pixels, 120 and 84
units. Modernised: ReLU in place of the scaled tanh, the largest entry of a
window in place of its scaled mean, every channel of the second convolution
connected to every one of the first, and logits in place of distances to
drawings of the digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minirmae.arrays import Array
from minirmae.layers import Backward, Conv2d, Flatten, Layer, Linear, MaxPool2d, ReLU, Sequential, Shape
from minirmae.models.batched import in_batches
from minirmae.validation import require_int

FEATURES = 84
"""Width of the last hidden layer, the paper's F6."""


class Classifier(Layer):
    """A body that turns images into features, and a linear layer that turns those into logits.

    Args:
        body: images (N, H, W, C) to features (N, n).
        head: features to logits (N, classes).
    """

    def __init__(self, body: Layer, head: Linear) -> None:
        super().__init__(children={"body": body, "head": head})
        self.body, self.head = body, head

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.head.outputs

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        features, body_backward = self.body(x, rng)
        logits, head_backward = self.head(features, rng)

        def backward(dlogits: Array) -> Array:
            return body_backward(head_backward(dlogits))

        return logits, backward

    def output_shape(self, shape: Shape) -> Shape:
        return self.head.output_shape(self.body.output_shape(shape))

    def features(self, x: Array, *, batch_size: int = 256) -> Array:
        """Features (N, n) of images (N, H, W, C): the values of the last hidden layer, none of them negative."""
        return in_batches(self.body, x, batch_size)

    def logits(self, x: Array, *, batch_size: int = 256) -> Array:
        """Logits (N, classes) of images (N, H, W, C)."""
        return in_batches(self, x, batch_size)

    def predict(self, x: Array, *, batch_size: int = 256) -> Array:
        """The most likely class of each image, N integers; of equal ones the first."""
        chosen: Array = self.logits(x, batch_size=batch_size).argmax(axis=1)
        return chosen


def lenet(shape: Shape, classes: int, rng: np.random.Generator, dtype: Any = np.float32) -> Classifier:
    """Build the classifier for images of `shape` (H, W, C), at least 16 x 16, with weights drawn from `rng`.

    Raises ValueError if there are fewer than 2 classes or the images are too small.

    >>> from minirmae.models.summary import summary
    >>> model = lenet((32, 32, 1), 10, np.random.default_rng(0))
    >>> print(summary(model, (32, 32, 1)))
    layer             output        parameters
    body.0 Conv2d     28 x 28 x 6          156
    body.1 ReLU       28 x 28 x 6
    body.2 MaxPool2d  14 x 14 x 6
    body.3 Conv2d     10 x 10 x 16       2,416
    body.4 ReLU       10 x 10 x 16
    body.5 MaxPool2d  5 x 5 x 16
    body.6 Flatten    400
    body.7 Linear     120               48,120
    body.8 ReLU       120
    body.9 Linear     84                10,164
    body.10 ReLU      84
    head Linear       10                   850
    61,706 trainable parameters
    """
    require_int("lenet", "classes", classes, 2)
    if min(shape[:2]) < 16:
        raise ValueError(f"lenet: images must be at least 16 x 16 pixels, got {shape[0]} x {shape[1]}")
    convolutions = [
        *(Conv2d(shape[2], 6, 5, rng=rng, dtype=dtype), ReLU(), MaxPool2d(2)),
        *(Conv2d(6, 16, 5, rng=rng, dtype=dtype), ReLU(), MaxPool2d(2), Flatten()),
    ]
    (entries,) = Sequential(*convolutions).output_shape(shape)
    hidden = Linear(entries, 120, rng=rng, dtype=dtype), ReLU(), Linear(120, FEATURES, rng=rng, dtype=dtype), ReLU()
    return Classifier(Sequential(*convolutions, *hidden), Linear(FEATURES, classes, rng=rng, dtype=dtype))
