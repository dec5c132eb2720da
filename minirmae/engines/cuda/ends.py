"""The launches at the two ends of a step: the batch, the loss with its gradient, and the optimiser.

As in `primitives`, the arguments are in the order of the kernel's declaration.
"""

from __future__ import annotations

import numpy as np

from minirmae.engines.cuda.launch import Argument, Buffer, Launch, int32
from minirmae.engines.cuda.primitives import ACTIVATIONS
from minirmae.validation import require_choice

LOSSES = {"mean_squared_error": 2.0, "binary_cross_entropy": 1.0}
"""Kernels of losses, each with the factor of its gradient; the number of entries is divided out later."""

_THREADS = 256


def gather(
    images: Buffer,
    order: Buffer,
    progress: Buffer,
    batch: Buffer,
    *,
    steps_per_epoch: int,
    batch_size: int,
    own_images: bool = False,
    replicas: int = 1,
) -> Launch:
    """Fill `batch` (count, ...) from `images` (all, ...), uint8 or float32, by this step's place in `order`.

    `batch_size` is that of a full batch; `batch` may be an epoch's smaller last one. With `own_images` every replica
    has a data set of its own, and these lie one after the other.
    """
    count, values = batch.shape[0], batch.size // batch.shape[0]
    sizes = int32("gather", count=count, values=values, steps_per_epoch=steps_per_epoch, batch_size=batch_size)
    blocks = -(-batch.size // _THREADS), replicas, 1
    stride = np.int64(images.size if own_images else 0)
    arguments: tuple[Argument, ...] = (images, order, progress, batch, *sizes, stride)
    moved = batch.size * (4 + np.dtype(images.dtype).itemsize) * replicas
    return Launch(f"gather_{images.dtype}", blocks, _THREADS, arguments, bytes=moved)


def loss(
    kind: str,
    y: Buffer,
    target: Buffer,
    dy: Buffer,
    losses: Buffer,
    progress: Buffer,
    *,
    activation: str = "none",
    replicas: int = 1,
) -> Launch:
    """The loss of y against the target, into `losses` at this step's place, and its gradient before y's activation.

    Raises ValueError for an unknown loss.
    """
    require_choice("cuda", "loss", kind, LOSSES)
    # Eight entries a thread; the last block adds up at most 1,024 sums.
    blocks = min(1024, -(-y.size // (8 * _THREADS)))
    partial = Buffer("loss sums", (blocks,), "float64")
    arguments: tuple[Argument, ...] = (
        *(y, target, dy),
        np.int64(y.size),
        np.float32(LOSSES[kind] / y.size),
        np.int32(ACTIVATIONS[activation]),
        *(partial, Buffer("loss ticket", (1,), "uint32"), losses),
        np.int32(losses.size),
        progress,
    )
    work = y.size * replicas
    return Launch(kind, (blocks, replicas, 1), _THREADS, arguments, flops=4 * work, bytes=12 * work)


def adam(
    values: Buffer,
    grads: Buffer,
    moments: tuple[Buffer, Buffer],
    rates: Buffer,
    progress: Buffer,
    *,
    beta1: float,
    beta2: float,
    epsilon: float,
    weight_decay: float = 0.0,
    replicas: int = 1,
) -> Launch:
    """One step of Adam, or AdamW if there is decay, with this step's entry of `rates`; counts the step."""
    # Four entries a thread, as long as that is no more than a few blocks for every multiprocessor.
    blocks = max(1, min(2048, -(-values.size // (4 * _THREADS))))
    arguments: tuple[Argument, ...] = (
        *(values, grads, *moments),
        np.int64(values.size),
        rates,
        np.int32(rates.size),
        *(np.float64(number) for number in (beta1, beta2, epsilon, weight_decay)),
        *(progress, Buffer("adam ticket", (1,), "uint32")),
    )
    # Four vectors are read and three written; a dozen operations an entry.
    work = values.size * replicas
    return Launch("adam", (blocks, replicas, 1), _THREADS, arguments, joins=True, flops=12 * work, bytes=28 * work)
