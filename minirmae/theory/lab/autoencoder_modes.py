"""The closed forms of the deep linear autoencoder: strengths, times, rank, spectra and loss.

Their theorem, its hypotheses and its checks are in `linear_autoencoder`. An
autoencoder with l extra linear layers has N = l + 2 in all; a balanced aligned
start with equal variances lam_i in and out makes T2's modes have the target 1
and the speed lam_i.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from minirmae.arrays import Array
from minirmae.theory.t02_deep_modes import deep_mode_time, deep_modes
from minirmae.validation import require_int


def autoencoder_modes(t: ArrayLike, s0: ArrayLike, lam: ArrayLike, extra_layers: int) -> Array:
    """Return the strengths s_i(t) = S_N(lam_i t; s_0) of a balanced linear autoencoder.

    Args:
        t: times, any shape, at least 0.
        s0: initial strengths, at least 0; broadcast with lam.
        lam: variances of the modes, at least 0.
        extra_layers: l >= 0, linear layers between encoder and decoder; N = l + 2.

    Returns an array of shape `t.shape + modes.shape`.

    Raises ValueError, naming the hypothesis, if an argument is outside the theorem.

    >>> autoencoder_modes([0.0, 3.0, 6.0, 12.0], s0=1e-2, lam=[2.0, 1.0, 0.5], extra_layers=2).round(2)
    array([[0.01, 0.01, 0.01],
           [0.99, 0.06, 0.02],
           [1.  , 0.99, 0.06],
           [1.  , 1.  , 0.99]])
    """
    return deep_modes(t, s0, lam, lam, depth=_depth("autoencoder_modes", extra_layers))


def autoencoder_times(s0: ArrayLike, lam: ArrayLike, extra_layers: int, level: ArrayLike = 0.5) -> Array:
    """Return the times tau_N / lam_i at which modes reach a level, 1/2 if not said otherwise.

    Args:
        s0, lam, level: broadcast; 0 < s0 <= level < 1 and lam > 0.
        extra_layers: l >= 0.

    Raises ValueError if a mode never gets there.

    >>> autoencoder_times(1e-2, [2.0, 1.0, 0.5], extra_layers=0).round(3)
    array([1.149, 2.298, 4.595])
    """
    return deep_mode_time(level, s0, lam, lam, depth=_depth("autoencoder_times", extra_layers))


def autoencoder_rank(t: ArrayLike, s0: ArrayLike, lam: ArrayLike, extra_layers: int, level: float = 0.5) -> Array:
    """Return the number of modes stronger than `level` at times t, an integer array of t's shape.

    Arguments as in `autoencoder_modes`, lam (r,).

    >>> autoencoder_rank([0.0, 3.0, 6.0, 12.0], s0=1e-2, lam=[2.0, 1.0, 0.5], extra_layers=2)
    array([0, 1, 2, 3])
    """
    count: Array = (autoencoder_modes(t, s0, np.atleast_1d(lam), extra_layers) > level).sum(axis=-1)
    return count


def layer_spectrum(s: ArrayLike, lam: ArrayLike, extra_layers: int, layer: int | None = None) -> Array:
    """Return the eigenvalues lam_i s_i^(2j/N), unsorted, of the covariance after layer j.

    Args:
        s: strengths (..., r), at least 0.
        lam: variances (r,), at least 0.
        layer: j, from 0 (the data) to N (the reconstruction); None for N - 1, the code z.

    >>> layer_spectrum([1.0, 0.25], [4.0, 2.0], extra_layers=0)
    array([4. , 0.5])
    """
    where, depth = "layer_spectrum", _depth("layer_spectrum", extra_layers)
    layer = depth - 1 if layer is None else layer
    require_int(where, "layer", layer, 0)
    if layer > depth:
        raise ValueError(f"{where}: there are {depth} layers, encoder and decoder included; got layer = {layer}")
    strengths, variances = np.asarray(s, dtype=float), np.asarray(lam, dtype=float)
    if (strengths < 0).any() or (variances < 0).any():
        raise ValueError(f"{where}: strengths of a balanced network and variances are at least 0")
    spectrum: Array = variances * strengths ** (2 * layer / depth)
    return spectrum


def autoencoder_loss(s: ArrayLike, lam: ArrayLike) -> Array:
    """Return the loss sum lam_i (1 - s_i)^2 / 2 of strengths s (..., r), of any sign, and variances lam (r,)."""
    loss: Array = (np.asarray(lam, dtype=float) * (1 - np.asarray(s, dtype=float)) ** 2).sum(axis=-1) / 2
    return loss


def _depth(where: str, extra_layers: int) -> int:
    """N = l + 2."""
    require_int(where, "extra_layers", extra_layers, 0)
    return extra_layers + 2
