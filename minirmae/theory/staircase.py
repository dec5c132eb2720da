"""The staircase of the rank (T13): the prediction of the linear theory beside trained autoencoders.

Left, the exact solution (T13): the number of modes learned at each time, for
three depths from layers of the same scale. Right, the ranks read from training
runs of nonlinear autoencoders. The two panels share an idea and not their
axes: time of a flow against steps of Adam, learned modes of W against
eigenvalues of the code's covariance. Compare shapes, not numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minirmae.arrays import Array
from minirmae.report import style
from minirmae.theory.lab import figures
from minirmae.theory.t13_linear_autoencoder import autoencoder_rank, autoencoder_times

EXTRA_LAYERS = (0, 4, 8)
"""l of the predicted curves."""

LAYER_SCALE = 0.3
"""Strength a of every mode in every layer at the start: s_0 = a^(l + 2)."""

Histories = Mapping[str, tuple[ArrayLike, ArrayLike]]
"""Label to (steps, ranks) of one run, both (n,), steps increasing."""


def staircase_figure(
    histories: Histories, seed: int = 0, *, measure: str = "eigenvalues above 0.001 of the largest"
) -> Any:
    """Draw the predicted rank(t) for l = 0, 4, 8 beside the ranks measured in training runs.

    Args:
        histories: label such as "IRMAE (l = 8)" to the steps and numerical ranks of the
            run's evaluations; one at step 0 is left out, because the axis is logarithmic.
        seed: draws the variances of the sixteen predicted modes, lam_i = i^-1.5 each times a
            factor between 0.8 and 1.25.
        measure: how the rank of the codes was measured, for the title.

    Returns a matplotlib Figure. A band around a predicted curve reaches from the modes above 0.9
    to those above 0.1: the modes that are being learned.

    Raises ValueError if there is no history, or one has unequal lengths, steps that do not
    increase, none above 0, or ranks below 0; ImportError if matplotlib is missing.
    """
    runs = {label: _history(label, *history) for label, history in histories.items()}
    if not runs:
        raise ValueError("staircase_figure: expected at least one history of (steps, ranks), got none")
    drawing, (left, right) = figures.new_figure(
        "With more linear layers the rank rises later (left: linear theory, right: trained autoencoders)",
        (
            "Linear autoencoder, exact; band: modes between 0.1 and 0.9",
            "time t of the flow (unit: 1 / largest variance)",
            "rank of W (modes stronger than 1/2)",
        ),
        (f"Training runs; rank: {measure}", "training steps", "rank of the code z"),
    )
    from matplotlib.ticker import LogLocator

    rng = np.random.default_rng(seed)
    lam = np.sort(np.arange(1, 17) ** -1.5 * 1.25 ** rng.uniform(-1, 1, 16))[::-1]
    lam = lam / lam[0]
    for i, extra in enumerate(EXTRA_LAYERS):
        s0 = LAYER_SCALE ** (extra + 2)
        first, last = autoencoder_times(s0, lam[[0, -1]], extra)
        times = np.geomspace(first / 4, 1.5 * last, 800)
        sure, learned, begun = (autoencoder_rank(times, s0, lam, extra, level) for level in (0.9, 0.5, 0.1))
        figures.prediction(left, i, times, learned, f"l = {extra}")
        left.fill_between(times, sure, begun, color=style.grade(i).colour, alpha=0.18, linewidth=0)
    for i, (label, (steps, ranks)) in enumerate(runs.items()):
        figures.measurement(right, i, steps, ranks, label)
        # Steps between evaluations are unknown: the line only leads the eye.
        colour, line, _ = style.grade(i)
        right.plot(steps, ranks, color=colour, linestyle=line, linewidth=0.7, alpha=0.7)
    left.set_xscale("log")
    right.set_xscale("log")
    right.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    right.xaxis.set_major_formatter("{x:,.0f}")
    right.xaxis.set_minor_formatter("")
    right.set_ylim(bottom=0)
    figures.legend(left, "upper left")
    figures.legend(right)
    return drawing


def _history(label: str, steps: ArrayLike, ranks: ArrayLike) -> tuple[Array, Array]:
    """Steps and ranks as arrays, checked."""
    x, y = np.asarray(steps, dtype=float), np.asarray(ranks, dtype=float)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(
            f"staircase_figure: history {label!r} needs steps and ranks of one length, got {x.shape} and {y.shape}"
        )
    if not (np.isfinite(x).all() and (x >= 0).all() and (np.diff(x) > 0).all() and (x > 0).any()):
        raise ValueError(f"staircase_figure: the steps of {label!r} must be at least 0, increase and reach beyond 0")
    if not (y >= 0).all():
        raise ValueError(f"staircase_figure: the ranks of {label!r} must be numbers of at least 0")
    return x[x > 0], y[x > 0]
