"""Resizing images as two small matrices, one for the rows and one for the columns.

Each output pixel is a weighted mean of the input pixels around its centre;
the weights of one axis do not depend on the other, so a whole stack of images
is resized by two matrix products.
"""

from __future__ import annotations

import numpy as np

from minirmae.arrays import Array
from minirmae.data.dataset import VALUES_PER_CHUNK
from minirmae.validation import require_ndim, require_positive_int


def interpolation_matrix(target: int, source: int) -> Array:
    """Return the (target, source) float64 matrix that resizes one axis bilinearly.

    Pixels are unit cells, so output pixel i is centred at (i + 1/2) s in input
    cells, s = source / target. Input pixel j weighs

        w_ij = max(0, 1 - |j + 1/2 - (i + 1/2) s| / max(s, 1)),

    and each row is divided by its sum. Enlarging, this is linear interpolation
    between the two nearest pixels with the edge pixel repeated; shrinking, the
    triangle widens to s cells so that no input pixel is passed over.

    >>> interpolation_matrix(4, 2)
    array([[1.  , 0.  ], [0.75, 0.25], [0.25, 0.75], [0.  , 1.  ]])
    """
    require_positive_int("interpolation_matrix", target=target, source=source)
    scale = source / target
    distance = (np.arange(source) + 0.5) - (np.arange(target)[:, None] + 0.5) * scale
    weights = np.maximum(0.0, 1.0 - np.abs(distance) / max(scale, 1.0))
    normalised: Array = weights / weights.sum(axis=1, keepdims=True)
    return normalised


def resize(images: Array, height: int, width: int) -> Array:
    """Resize `images` (N, H, W, C) to (N, height, width, C), bilinearly.

    uint8 stays uint8, rounded to the nearest level; floats keep their dtype
    and range. If the size is already right, `images` itself is returned.

    Raises TypeError unless `images` is uint8 or floating, ValueError unless it has 4 axes.
    """
    if images.dtype != np.uint8 and images.dtype.kind != "f":
        raise TypeError(f"resize: images must be uint8 or floating, got {images.dtype}")
    require_ndim("resize", "images", images, 4, "(N, H, W, C)")
    require_positive_int("resize", height=height, width=width)
    count, source_height, source_width, channels = images.shape
    if (source_height, source_width) == (height, width):
        return images
    working = np.float64 if images.dtype == np.float64 else np.float32
    rows: Array = interpolation_matrix(height, source_height).astype(working)
    columns: Array = interpolation_matrix(width, source_width).astype(working)
    resized = np.empty((count, height, width, channels), dtype=images.dtype)
    chunk = max(1, VALUES_PER_CHUNK // max(images[:1].size, resized[:1].size, 1))
    for start in range(0, count, chunk):
        part: Array = images[start : start + chunk].astype(working)
        tall = rows @ part.reshape(-1, source_height, source_width * channels)
        done = columns @ tall.reshape(-1, height, source_width, channels)
        # The weights of a row sum to one only up to rounding, so floats could leave their range.
        resized[start : start + chunk] = (
            np.floor(done + 0.5) if images.dtype == np.uint8 else np.clip(done, part.min(), part.max())
        )
    return resized
