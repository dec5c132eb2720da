"""T13. The deep linear autoencoder: IRMAE exactly solved.

An encoder, l extra linear layers and a decoder, all of them linear, are a
network W = W_N ... W_1 of N = l + 2 layers. Hypotheses: no biases; data of mean
zero and covariance Sxx = V diag(lam) V^T; the loss
tr (I - W) Sxx (I - W)^T / 2, which is |X - W X|^2 / 2P; gradient flow; every
layer at least as wide as the number of modes; an aligned and balanced start,
W_j = R_{j+1} diag(s_0^(1/N)) R_j^T with R_1 = R_{N+1} = V.

Statement: here sigma_i = lam_i, so T2's equation (Saxe, McClelland, Ganguli
2014; Arora, Cohen, Hazan 2018) has the target 1 and only its clock differs
from mode to mode,

    s_i' = N lam_i s_i^(2 - 2/N) (1 - s_i),    s_i(t) = S_N(lam_i t; s_0),

one curve S_N for all modes, in the time lam_i t. If it reaches 1/2 at tau_N,
the modes learned at time t are those with lam_i > tau_N / t:

    rank(t) = #{i : lam_i > tau_N / t},    tau_2 = ln(1/s_0 - 1)/2,    tau_N ~ s_0^(-(1 - 2/N)) / (N - 2).

So t_i / t_j = lam_j / lam_i for every l: depth neither reorders the modes nor
spaces them. It delays them, and makes the rise of each short against the
wait for it. As t grows every mode is learned, whatever l: low rank is a matter
of finite time, or of decay (T12), or of a bottleneck.

Along the way the loss is sum lam_i (1 - s_i)^2 / 2, and the covariance after
layer j, of the code at j = N - 1, has the eigenvalues lam_i s_i^(2j/N).

`lab/autoencoder_landscape` has the stationary points, with and without a bottleneck,
and `lab/autoencoder_training` what remains from a random start; both add checks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minirmae.arrays import Array
from minirmae.measures.rank import effective_rank
from minirmae.optimizers import SGD
from minirmae.theory.lab import figures
from minirmae.theory.lab.autoencoder_landscape import autoencoder_problem, check_landscape
from minirmae.theory.lab.autoencoder_training import check_random_start
from minirmae.theory.lab.modes import Modes
from minirmae.theory.lab.networks import product
from minirmae.theory.lab.result import Check, compare, timed
from minirmae.theory.lab.simulation import flow_modes, train_modes
from minirmae.theory.t02_deep_modes import deep_mode_time, deep_modes
from minirmae.validation import require_int

RUNS = ((2, 7, 8), (4, 6, 7), (3, 5, 9), (5, 4, 6), (6, 5, 5))
"""(N, inputs, hidden) of the checks, one for each seed."""

LEVELS = np.array([0.1, 0.5, 0.9])
"""Strengths at which a mode begins, is half and is nearly learned."""

RATE = 0.01
"""Learning rate of the training run; it is also run at half of it."""


def autoencoder_modes(t: ArrayLike, s0: ArrayLike, lam: ArrayLike, extra_layers: int) -> Array:
    """Return the strengths s_i(t) = S_N(lam_i t; s_0) of a balanced linear autoencoder.

    Args:
        t: times, any shape, at least 0.
        s0: initial strengths, at least 0; broadcast with lam.
        lam: variances of the modes, at least 0.
        extra_layers: l >= 0, linear layers between encoder and decoder; N = l + 2.

    Returns `t.shape + modes.shape`. Raises ValueError, naming the hypothesis, if an argument is outside the theorem.

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


def check(seed: int = 0, depth: int | None = None, quick: bool = False) -> list[Check]:
    """Compare the solution with flows and gradient descent, the landscape with its Hessian, and look at random starts.

    `depth`, the number of layers N = l + 2, takes the place of the depths of `RUNS`.
    """
    if depth is not None:
        require_int("linear-autoencoder", "depth (encoder, decoder and l extra layers)", depth, 2)
    runs = RUNS if depth is None else [(depth, *sizes) for _, *sizes in RUNS[:3]]
    checks: list[Check] = []
    for offset, (N, inputs, hidden) in enumerate(runs[: 1 if quick else None]):
        rng = np.random.default_rng(seed + offset)
        modes = autoencoder_problem(rng, np.sort(rng.uniform(0.4, 2.0, inputs))[::-1])
        details: dict[str, Any] = {"seed": seed + offset, "note": f"l = {N - 2}, {inputs} inputs, width {hidden}"}
        checks += _check_flow(modes, N, hidden, rng, details)
        if offset < 3:  # the depths after these add cost and no new case of the Hessian
            checks += check_landscape(N, seed + offset)
        if offset == 0:
            checks.append(_check_descent(modes, N, hidden, rng, details))
    return [*checks, *check_random_start(seed, quick)]


def _check_flow(modes: Modes, N: int, hidden: int, rng: np.random.Generator, details: dict[str, Any]) -> list[Check]:
    """One flow of whole matrices from equal strengths, and everything that is predicted of it."""
    lam, extra = modes.lam, N - 2
    start = _patient_scale(extra)
    s0 = start**N
    reached = autoencoder_times(s0, lam, extra, LEVELS[:, None])
    even = np.linspace(0, 1.2 * reached.max(), 31)
    times = np.unique(np.append(even, reached))
    run, seconds = timed(lambda: flow_modes(modes, np.full((N, len(lam)), start), [hidden] * (N - 1), times, rng))
    s, instant = timed(lambda: autoencoder_modes(times, s0, lam, extra), repeats=20)
    measured = np.take_along_axis(run.strengths, np.searchsorted(times, reached), axis=0)
    Z = product(run.factors[:-1])
    code = np.linalg.eigvalsh(Z @ modes.covariance @ Z.swapaxes(1, 2))[:, : -len(lam) - 1 : -1]
    on_even, levels = np.isin(times, even), np.tile(LEVELS, (len(lam), 1)).T
    spectrum = np.sort(layer_spectrum(s, lam, extra))[:, ::-1]
    rank = (np.linalg.svd(product(run.factors)[on_even], compute_uv=False) > 0.5).sum(axis=1)
    return [
        compare("modes", s, run.strengths, 1e-9, seconds=seconds, speedup=seconds / instant, **details),
        compare("modes stay apart", 0.0, run.coupling, 1e-9, **details),
        compare("energy identity of the flow", 0.0, run.path.energy_defect, 1e-9, **details),
        compare("strength at the times predicted for 0.1, 0.5, 0.9", levels, measured, 1e-8, **details),
        compare("rank, singular values of W above 1/2", autoencoder_rank(even, s0, lam, extra), rank, 0.0, **details),
        compare("covariance spectrum of the code", spectrum, code, 1e-9, **details),
        compare("loss", autoencoder_loss(s, lam), run.path.losses, 1e-9, **details),
    ]


def _check_descent(modes: Modes, N: int, hidden: int, rng: np.random.Generator, details: dict[str, Any]) -> Check:
    """Gradient descent on samples is first order in its rate: half the rate leaves half the distance to the flow."""
    start = np.full((N, len(modes.lam)), 0.5)
    end = 1.5 * float(autoencoder_times(0.5**N, modes.lam, N - 2).max())

    def distance(rate: float) -> float:
        run = train_modes(modes, start, [hidden] * (N - 1), SGD(rate), round(end / rate), rng)
        s = autoencoder_modes(rate * run.path.times, 0.5**N, modes.lam, N - 2)
        return float(np.abs(run.strengths - s).max())

    ratio, seconds = timed(lambda: distance(RATE) / distance(RATE / 2))
    return compare("SGD: distance to flow, rate over half rate", 2.0, ratio, 0.1, seconds=seconds, **details)


def _patient_scale(extra: int) -> float:
    """Initial strength of a layer, larger in deeper networks, for which a mode waits at most about 31 / lam."""
    return float((31 * extra) ** (-1 / extra)) if extra else 0.01


def figure(seed: int = 0, depth: int | None = None) -> Any:
    """Draw the one curve of all modes, the staircase of the rank, and the rank at equal loss, for several l.

    `depth`, the number of layers N, replaces the depths drawn by 2 and N.
    """
    shown = [0, 1, 2, 4] if depth is None else sorted({0, depth - 2})
    rng, lam, start = np.random.default_rng(seed), 2.0 ** -np.arange(5), max(0.3, _patient_scale(shown[-1]))
    modes, rank = autoencoder_problem(rng, lam), "rank of W (singular values above 1/2)"
    drawing, (curve, staircase, matched) = figures.new_figure(
        "Depth delays and sharpens the modes, but neither reorders nor spaces them (lines: theory, points: flow)",
        ("All five modes are one curve", r"time in half times of the mode, $t / t_i$", r"mode strength $s_i$"),
        ("Rank: the same staircase, later", "time t (unit: 1 / largest variance)", rank),
        ("At equal loss deeper networks have lower rank", "loss / its start", "effective rank of W"),
    )
    for i, extra in enumerate(shown):
        N, s0 = extra + 2, start ** (extra + 2)
        half = autoencoder_times(s0, lam, extra)
        times = half[0] * 2.0 ** (np.arange(-17.5, 35) / 7)
        flow = flow_modes(modes, np.full((N, 5), start), [6] * (N - 1), np.append(0.0, times), rng)
        dense, u = np.geomspace(times[0], times[-1], 1500), np.linspace(0, 2, 300)
        closed, label = autoencoder_modes(dense, s0, lam, extra), f"l = {extra}"
        figures.prediction(curve, i, u, autoencoder_modes(u * half[0], s0, 1.0, extra), label)
        # The modes take turns along the curve, so that all five are seen to be on it.
        turns = np.arange(len(times)) % 5
        at = times / half[turns]
        near = (at > 0.1) & (at < 2)
        figures.measurement(curve, i, at[near], flow.strengths[1:][np.arange(len(times)), turns][near])
        figures.prediction(staircase, i, dense, (closed > 0.5).sum(axis=1), label)
        singular = np.linalg.svd(product(flow.factors), compute_uv=False)
        figures.measurement(staircase, i, times[::4], (singular[1::4] > 0.5).sum(axis=1))
        loss, first = autoencoder_loss(closed, lam), flow.path.losses[0]
        figures.prediction(matched, i, loss / first, [effective_rank(s) for s in closed])
        figures.measurement(matched, i, flow.path.losses[::2] / first, [effective_rank(s) for s in singular[::2]])
    staircase.set_xscale("log")
    matched.invert_xaxis()
    figures.legend(curve, "upper left")
    figures.legend(staircase, "upper left")
    return drawing
