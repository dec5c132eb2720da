"""Initial weights, drawn in float64 from an explicit Generator.

An initialiser is called as `initializer(rng, shape, fan_in, fan_out)`, where
the fans are the number of inputs that one output sums over and of outputs that
one input reaches. The scale matters here: a product of l matrices that start
small is what makes the Implicit Rank-Minimizing Autoencoder work.
"""

from __future__ import annotations

import math

import numpy as np

from minirmae.arrays import Array
from minirmae.layers.affine import Initializer, uniform_fan_in

__all__ = ["Initializer", "glorot_uniform", "he_normal", "orthogonal", "scaled", "uniform_fan_in"]


def he_normal(rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Array:
    """Normal with variance 2/fan_in, which keeps the scale of ReLU networks (He et al. 2015, equation 10)."""
    return rng.normal(0, math.sqrt(2 / fan_in), shape)


def glorot_uniform(rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Array:
    """Uniform with variance 2/(fan_in + fan_out) (Glorot and Bengio 2010, equation 16)."""
    bound = math.sqrt(6 / (fan_in + fan_out))
    return rng.uniform(-bound, bound, shape)


def orthogonal(rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Array:
    """Orthonormal rows or columns, uniformly distributed (Saxe, McClelland, Ganguli 2014).

    A shape with more than two axes is read as a matrix (all but the last, last).
    """
    rows, columns = math.prod(shape[:-1]), shape[-1]
    normal = rng.normal(size=(max(rows, columns), min(rows, columns)))
    Q, R = np.linalg.qr(normal)
    # QR fixes signs by its own convention; R's diagonal undoes it, which makes Q uniform.
    Q = Q * np.sign(np.diagonal(R))
    return np.ascontiguousarray(Q if rows >= columns else Q.T).reshape(shape)


def scaled(initializer: Initializer, factor: float) -> Initializer:
    """Return `initializer` with every weight multiplied by `factor`."""

    def scaled_initializer(rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Array:
        return factor * initializer(rng, shape, fan_in, fan_out)

    return scaled_initializer
