"""Losses: ops whose value is one number, a mean, so that a learning rate keeps its meaning when the batch grows.

Each returns `loss`, a scalar with the dtype of the prediction, and `backward(dloss=1.0) -> dprediction`; the target is
data. TypeError if dtypes differ or are not floating, ValueError if shapes differ or there is no entry to average.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from minirmae.arrays import Array, array_module
from minirmae.ops.entrywise import sigmoid
from minirmae.validation import require_cotangent, require_float, require_ndim, require_one_device, require_shape

LossBackward = Callable[..., Array]


def mean_squared_error(prediction: Array, target: Array) -> tuple[Array, LossBackward]:
    """Mean over all entries of `(prediction - target)^2`; the derivative is `2 (prediction - target) / entries`."""
    _require_alike("mean_squared_error", prediction=prediction, target=target)
    error = prediction - target
    loss = (error * error).mean()
    return loss, _times("mean_squared_error", lambda: error * (2 / error.size), loss)


def binary_cross_entropy_with_logits(logits: Array, target: Array) -> tuple[Array, LossBackward]:
    """Mean over all entries of `-t log s(z) - (1 - t) log(1 - s(z))`, with logits z, targets t in [0, 1], s logistic.

    Written as `max(z, 0) - t z + log(1 + exp(-|z|))`, it does not overflow; the derivative is `(s(z) - t) / entries`.
    """
    _require_alike("binary_cross_entropy_with_logits", logits=logits, target=target)
    xp, positive = array_module(logits), logits.real >= 0
    softplus = logits * positive + xp.log1p(xp.exp(xp.where(positive, -logits, logits)))
    loss = (softplus - target * logits).mean()
    slope = (sigmoid(logits)[0] - target) * (1 / logits.size)
    return loss, _times("binary_cross_entropy_with_logits", lambda: slope, loss)


def softmax_cross_entropy(logits: Array, labels: Array) -> tuple[Array, LossBackward]:
    """Mean over the batch of `-log softmax(z_n)[label_n]`, with logits z (N, K) and integers in [0, K) as labels (N,).

    With p = softmax(z), computed after subtracting each row's largest logit, the derivative is `(p - onehot) / N`.
    A label outside [0, K) is a ValueError; on a GPU, which is not waited for, it makes the loss NaN.
    """
    where = "softmax_cross_entropy"
    require_float(where, logits=logits)
    require_ndim(where, "logits", logits, 2, "(batch, classes)")
    N, K = logits.shape
    require_shape(where, "labels", labels, (N,))
    if labels.dtype.kind not in "iu":
        raise TypeError(f"{where}: labels must be integers, got {labels.dtype}")
    require_one_device(where, logits=logits, labels=labels)
    if N == 0:
        raise ValueError(f"{where}: the batch is empty, so there is no mean")
    xp, labels = array_module(logits), labels.astype(np.int64)
    valid = ((labels >= 0) & (labels < K)).all()
    if xp is np and not valid:
        raise ValueError(f"{where}: labels must lie in [0, {K}), got {labels.min()} to {labels.max()}")
    # Indices out of range wrap on a GPU without a word; here they wrap by decision, and show in the loss.
    rows, labels = xp.arange(N), labels % K
    shifted = logits - logits.real.max(axis=1, keepdims=True)
    weights = xp.exp(shifted)
    loss = (xp.log(weights.sum(axis=1)) - shifted[rows, labels]).mean()
    if xp is not np:
        loss = xp.where(valid, loss, xp.nan).astype(logits.dtype)

    def slope() -> Array:
        dlogits: Array = weights / weights.sum(axis=1, keepdims=True)
        dlogits[rows, labels] -= 1
        return dlogits * (1 / N)

    return loss, _times(where, slope, loss)


def _require_alike(where: str, **arrays: Array) -> None:
    require_float(where, **arrays)
    prediction, target = arrays.values()
    require_shape(where, "target", target, prediction.shape)
    if prediction.size == 0:
        raise ValueError(f"{where}: there is no entry to average, shape {prediction.shape}")


def _times(where: str, slope: Callable[[], Array], loss: Array) -> LossBackward:
    """The backward of a loss with derivative `slope`; a cotangent with a dtype must have the loss's."""

    def backward(dloss: Any = 1.0) -> Array:
        if hasattr(dloss, "dtype"):
            require_cotangent(f"{where} backward", dloss, loss)
        return slope() * dloss

    return backward
