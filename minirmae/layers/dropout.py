"""Noise that leaves entries out, in training only."""

from __future__ import annotations

import numpy as np

from minirmae import ops
from minirmae.arrays import Array, array_module, asarray, device_of
from minirmae.layers.backward import Backward
from minirmae.layers.layer import Layer


class Dropout(Layer):
    """Drop entries with probability `rate` when given an rng; the identity without one."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"Dropout: rate must be in [0, 1), got {rate!r}")
        self.rate = rate

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        if rng is None:
            return ops.dropout(x, array_module(x).ones(x.shape, dtype=bool), 0.0)
        keep = asarray(rng.random(x.shape) >= self.rate, device_of(x))
        return ops.dropout(x, keep, self.rate)
