"""Overcomplete coding by units of limited capacity: linear encoder and decoder with noise between them.

Doi and Lewicki 2004 ("Sparse coding of natural images using an overcomplete set of
limited capacity units", NIPS 17) code images by linear units `u = x W + b` that are
read with noise of variance 1/s. A unit could escape the noise by a larger output, so
its power is held at 1: its signal-to-noise ratio s is given, and so is its capacity
of log2(1 + s) / 2 bits. Units beyond the number of pixels are then useful: they
repeat what matters. With noise e and `x_hat = (u + e) A + c`, the loss is

    mean (x_hat - x)^2 + capacity mean_i (ln <u_i^2>)^2 + sparsity mean ln(1 + u^2),

where <.> is the mean over the batch.

Without the sparsity the best linear code has a closed form (Doi, Balcan and Lewicki
2006, "A theoretical analysis of robust coding over noisy overcomplete channels",
NIPS 18). For data of covariance S the best decoder of M units leaves the error
`E(W) = tr (S^-1 + s W W')^-1`. With S = sum v_i e_i e_i', the power p_i = v_i |e_i' W|^2
that direction i gets sums to M, and E is at least `sum v_i / (1 + s p_i)`, with equality
if the directions do not mix. Setting the derivatives in p_i equal gives `1 + s p_i`
proportional to sqrt(v_i). The K strongest directions, those with a positive solution,
get power, and

    E = (sum_(i<=K) sqrt v_i)^2 / (K + s M) + sum_(i>K) v_i.

A rotation of the units changes neither E nor the total power, and some rotation makes
all variances 1, so the bound is reached for every M.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minirmae.arrays import Array, array_module, asarray, device_of
from minirmae.layers import Backward, Flatten, Layer, Linear, Reshape, Sequential, Shape
from minirmae.measures.codes import require_matrix
from minirmae.models.autoencoder import PRESETS, Autoencoder, ModelConfig
from minirmae.objectives.objective import Objective, ObjectiveBackward
from minirmae.objectives.recipe import Recipe, Settings, require_setting
from minirmae.ops import mean_squared_error
from minirmae.validation import require_cotangent, require_positive_int, require_shape


class Channel(Layer):
    """Add Gaussian noise of standard deviation `noise` to every entry; without an rng, return a copy."""

    def __init__(self, noise: float) -> None:
        super().__init__()
        self.noise = noise

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        y = x.copy()
        if rng is not None:
            noise = np.asarray(self.noise * rng.standard_normal(x.shape))
            y += asarray(noise.astype(x.real.dtype), device_of(x))

        def backward(dy: Array) -> Array:
            require_cotangent("Channel backward", dy, y)
            return dy.copy()

        return y, backward


def limited_capacity(
    model: Autoencoder,
    x: Array,
    rng: np.random.Generator | None = None,
    *,
    capacity: float = 1.0,
    sparsity: float = 1e-3,
) -> tuple[Array, ObjectiveBackward]:
    """Reconstruction error, squared log power and sparsity of the units, at images `x` (N, H, W, C).

    Args:
        model: its bottleneck is the channel.
        rng: source of the channel's noise; None means no noise.
        capacity: weight of the term that holds the units' power at 1.
        sparsity: weight of the penalty on the units' activity.

    With `m_i = <u_i^2>`, the two penalties have the derivatives `4 capacity u_ni ln(m_i) / (m_i N M)` and
    `2 sparsity u_ni / ((1 + u_ni^2) N M)` with respect to u_ni.
    """
    u, encoder_backward = model.encoder(x, rng)
    noisy, channel_backward = model.bottleneck(u, rng)
    x_hat, decoder_backward = model.decoder(noisy, rng)
    loss, loss_backward = mean_squared_error(x_hat, x)
    xp, squares = array_module(u), u * u
    power = squares.mean(axis=0)
    log_power = xp.log(power)
    penalty = capacity * (log_power * log_power).mean() + sparsity * xp.log1p(squares).mean()

    def backward() -> None:
        du = channel_backward(decoder_backward(loss_backward()))
        slope = 4 * capacity * log_power / power + 2 * sparsity / (1 + squares)
        encoder_backward(du + u * slope / u.size)

    return loss + penalty, backward


def linear_machine(shape: Shape, units: int, snr: float, rng: np.random.Generator, dtype: Any) -> Autoencoder:
    """Linear encoder and decoder of images of `shape` with a channel of signal-to-noise ratio `snr` between them."""
    inputs = math.prod(shape)
    encoder = Sequential(Flatten(), Linear(inputs, units, rng=rng, dtype=dtype))
    decoder = Sequential(Linear(units, inputs, rng=rng, dtype=dtype), Reshape(shape))
    return Autoencoder(encoder, Channel(1 / math.sqrt(snr)), decoder)


def signal_to_noise(bits: float) -> float:
    """Return the s whose capacity is `bits` a unit: 2^(2 bits) - 1. Raises ValueError unless `bits` is positive.

    >>> signal_to_noise(1.0)
    3.0
    """
    if not bits > 0:
        raise ValueError(f"signal_to_noise: bits must be positive, got {bits!r}")
    return float(4.0**bits - 1)


def optimal_error(variances: Array, units: int, snr: float) -> float:
    """Least expected squared error, summed over the entries of x, of any linear code.

    Args:
        variances: v, eigenvalues of the data's covariance, shape (D,), at least 0, in any order.
        units: M.
        snr: s of each unit.

    Raises ValueError if one is out of range.

    >>> optimal_error(np.array([1.0, 1.0]), units=4, snr=3.0)  # white: D / (1 + s M / D), a repetition code
    0.2857142857142857
    """
    return float((variances / (1 + snr * _powers(variances, units, snr))).sum())


def optimal_encoder(covariance: Array, units: int, snr: float) -> Array:
    """An encoder W (D, M) that reaches `optimal_error` with units of variance 1, for a `covariance` (D, D).

    Raises what `require_matrix` raises, and ValueError if a size is out of range.
    """
    covariance = _require_covariance("optimal_encoder", covariance)
    variances, directions = np.linalg.eigh(covariance)
    variances = np.maximum(variances, 0.0)
    powers = _powers(variances, units, snr)
    strongest = np.argsort(powers)[::-1][: min(units, len(powers))]
    outputs = np.zeros((units, len(strongest)))  # one row per unit: its amplitudes along the directions
    outputs[np.arange(len(strongest)), np.arange(len(strongest))] = np.sqrt(powers[strongest])
    scale = np.sqrt(np.where(powers > 0, variances, 1.0))[strongest]
    W: Array = (directions[:, strongest] / scale) @ _equal_norms(outputs).T
    return W


def optimal_decoder(covariance: Array, W: Array, snr: float) -> Array:
    """The decoder A (M, D) of least error for an encoder W (D, M): `(W'SW + I/s)^-1 W'S`.

    Raises what `require_matrix` raises, and ValueError if the shapes do not fit.
    """
    covariance = _require_covariance("optimal_decoder", covariance)
    require_shape("optimal_decoder", "W", W, (len(covariance), W.shape[-1]))
    projected = covariance @ W
    A: Array = np.linalg.solve(W.T @ projected + np.eye(W.shape[1]) / snr, projected.T)
    return A


def expected_error(covariance: Array, W: Array, A: Array, snr: float) -> float:
    """Expected squared error, summed over the entries of x, of encoder W (D, M) and decoder A (M, D).

    With R = I - W A it is `tr R' S R + |A|^2 / s`: what the code misses, and the noise that remains.
    """
    residual = np.eye(len(W)) - W @ A
    return float(np.sum((covariance @ residual) * residual) + np.sum(A * A) / snr)


def _powers(variances: Array, units: int, snr: float) -> Array:
    """The part of the M units' total variance that the best code gives to each direction."""
    require_positive_int("robust coding", units=units)
    if variances.ndim != 1 or variances.size == 0 or not (np.isfinite(variances) & (variances >= 0)).all():
        raise ValueError(f"robust coding: variances must be finite and at least 0, shape (D,), got {variances}")
    if not (snr > 0 and variances.max() > 0):
        raise ValueError(f"robust coding: snr and some variance must be positive, got snr {snr}")
    order = np.argsort(variances)[::-1]
    roots = np.sqrt(variances[order])
    # The weakest of the directions in use must get some power; M units can carry no more than M directions.
    for used in range(min(units, int((roots > 0).sum())), 0, -1):
        powers = (roots[:used] * ((used + snr * units) / roots[:used].sum()) - 1) / snr
        if powers[-1] > 0:
            break
    result = np.zeros_like(variances)
    result[order[:used]] = powers
    return result


def _equal_norms(rows: Array) -> Array:
    """Rotate the rows (M, K) among each other, `Q rows` with Q orthogonal, until all have the same norm.

    Each step rotates the shortest row and the longest until the shortest has the mean
    square. That row is then done, so M - 1 steps suffice.
    """
    rows = rows.copy()
    target = (rows * rows).sum() / len(rows)
    free = list(range(len(rows)))
    while len(free) > 1:
        squares = (rows[free] ** 2).sum(axis=1)
        short, long = rows[free[int(squares.argmin())]], rows[free[int(squares.argmax())]]
        low, high, product = target - squares.min(), squares.max() - target, short @ long
        if high <= 0 or low < 0:
            break  # all are equal up to rounding
        # |cos a short + sin a long|^2 = target, solved for t = tan a.
        t = (-product + np.sqrt(product * product + high * low)) / high
        cosine, sine = 1 / np.hypot(1, t), t / np.hypot(1, t)
        short[...], long[...] = cosine * short + sine * long, cosine * long - sine * short
        free.pop(int(squares.argmin()))
    return rows


def _require_covariance(where: str, covariance: Array) -> Array:
    covariance = require_matrix(where, "covariance", covariance)
    require_shape(where, "covariance", covariance, (len(covariance), len(covariance)))
    return covariance


def _objective(settings: Settings) -> Objective:
    signal_to_noise(settings["bits"])
    for name in ("capacity", "sparsity"):
        require_setting("overcomplete", name, settings[name], 0.0)
    weights = {"capacity": settings["capacity"], "sparsity": settings["sparsity"]}
    return lambda model, x, rng: limited_capacity(model, x, rng, **weights)


def _build(config: ModelConfig, settings: Settings, rng: np.random.Generator, dtype: Any) -> Autoencoder:
    if config.linear_layers:
        raise ValueError(
            "objective overcomplete: the model has no linear layers, so linear_layers must be 0, "
            f"got {config.linear_layers}"
        )
    return linear_machine(PRESETS[config.preset].image, config.latent, signal_to_noise(settings["bits"]), rng, dtype)


RECIPES = (
    Recipe(
        name="overcomplete",
        title="overcomplete",
        statement="reconstruct linearly from noisy units, each of one fixed signal-to-noise ratio",
        source="Doi, Lewicki 2004 (NIPS 17)",
        objective=_objective,
        build=_build,
        settings={"bits": 1.0, "capacity": 1.0, "sparsity": 1e-3},
    ),
)
