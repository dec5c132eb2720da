"""T9. Rank falls while every norm grows (Razin, Cohen 2020).

Hypotheses: a 2 by 2 matrix completion problem, w_12 = w_21 = 1 and w_22 = 0
observed, w_11 not; the loss L = |W - M|^2 / 2 over the three; W = W_N ... W_1 with N >= 2
square layers; gradient flow from a balanced start with det W > 0.

Statement: (ln det W)' = -N sum_r s_r^(1 - 2/N) u_r^T G v_r is finite (see T6), so det W > 0 for
ever, while every W that fits has det W = -1. So the loss can go to zero only if

    |w_11| -> infinity,    effective rank -> 1,    distance to rank one -> 0.

Every norm goes to infinity: no norm is what training minimises. The rates,
in forms derived here that are sharper than those of the paper, for L <= 1/4 and strict:

    |w_11| > B = (1 - p)^(3/2) p^(-1/2),    p = (sqrt(1 + 8 L) - 1) / 2,
    s_2 < sqrt(2 L),    effective rank < exp(H(q)),    q = sqrt(2 L) / (sqrt(2 L) + B),

H(q) = -q ln q - (1 - q) ln(1 - q). B grows like 1/sqrt(2 L). Derivation: det W > 0 means
|w_11| > w_12 w_21 / |w_22|, and B is the smallest (1 - p)(1 - p') / r with p^2 + p'^2 + r^2 = 2 L,
at p = p' since p' = 1 - p would need L > 1/4. The matrix with w_22 replaced by
w_12 w_21 / w_11 has rank one and is closer than |w_22| <= sqrt(2 L). And s_1 >= |w_11|.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minirmae.arrays import Array
from minirmae.measures.rank import effective_rank, product_spectrum
from minirmae.theory.lab import figures
from minirmae.theory.lab.completion import CompletionProblem
from minirmae.theory.lab.dynamics import gradient_flow
from minirmae.theory.lab.initial import balanced_factors
from minirmae.theory.lab.networks import end_to_end, factors_of, linear_network, product
from minirmae.theory.lab.result import Check, at_least, at_most, compare, timed
from minirmae.validation import require_int

PROBLEM = CompletionProblem(np.array([[np.nan, 1.0], [1.0, 0.0]]), np.array([[False, True], [True, True]]))
DEPTHS = (2, 3, 4)
SLACK = 1e-9
"""For two layers from a multiple of the identity the bound on |w_11| becomes tight, up to the flow's error."""


def unobserved_entry_bound(loss: ArrayLike) -> Array:
    """Return B, which |w_11| exceeds if det W > 0.

    Args:
        loss: L, any shape, in (0, 1/4].

    Raises ValueError outside that range, where the derivation does not hold.

    >>> unobserved_entry_bound([0.25, 1e-2, 1e-4]).round(3)
    array([ 0.834,  6.931, 70.697])
    """
    L = _small_loss("unobserved_entry_bound", loss)
    p = 4 * L / (np.sqrt(1 + 8 * L) + 1)
    bound: Array = (1 - p) ** 1.5 / np.sqrt(p)
    return bound


def rank_one_distance_bound(loss: ArrayLike) -> Array:
    """Return sqrt(2 L), which the distance s_2 to rank one stays below if det W > 0; `loss` as above.

    >>> rank_one_distance_bound(0.02).round(3)
    np.float64(0.2)
    """
    distance: Array = np.sqrt(2 * _small_loss("rank_one_distance_bound", loss))
    return distance


def effective_rank_bound(loss: ArrayLike) -> Array:
    """Return exp(H(q)), which the effective rank stays below if det W > 0; `loss` as above.

    It is 1 + O(L ln(1/L)).

    >>> effective_rank_bound([1e-2, 1e-4, 1e-6]).round(5)
    array([1.10299, 1.00191, 1.00003])
    """
    second = rank_one_distance_bound(loss)
    q = second / (second + unobserved_entry_bound(loss))
    bound: Array = np.exp(-q * np.log(q) - (1 - q) * np.log1p(-q))
    return bound


def _small_loss(where: str, loss: ArrayLike) -> Array:
    L = np.asarray(loss, dtype=float)
    if not ((L > 0) & (L <= 0.25)).all():
        raise ValueError(f"{where}: the bound holds for losses in (0, 1/4], got {loss!r}")
    return L


@dataclass(frozen=True)
class NormRun:
    """A flow on the problem.

    Attributes:
        times, losses, determinants: (T,); a determinant is the product of the layers' own.
        matrices: (T, 2, 2).
        spectra: (T, 2), singular values of the product, the smaller as |det W| over the larger.
        energy_defect: see `Path`.
    """

    times: Array
    losses: Array
    determinants: Array
    matrices: Array
    spectra: Array
    energy_defect: float


def norm_flow(factors: list[Array], times: Array) -> NormRun:
    """Integrate the gradient flow from `[W_1, ..., W_N]`, each (2, 2), at `times` (T,).

    Raises ValueError, naming the hypothesis, unless N >= 2 and det W > 0.
    """
    if len(factors) < 2:
        raise ValueError("norm_flow: a single layer never moves w_11; the theorem needs N >= 2")
    if not np.prod(np.linalg.det(np.stack(factors))) > 0:
        raise ValueError("norm_flow: the theorem needs a start with det W > 0; with det W < 0 all norms stay finite")
    return _flow(factors, times)


def small_start(seed: int, depth: int) -> list[Array]:
    """Return balanced factors of a small random matrix with det > 0; for two layers, of 0.1 times the identity.

    With two layers det W falls to the rounding error of a flow without symmetry, which may then change
    its sign and end at a matrix that fits. From the identity W_1 and W_2 stay symmetric and equal.
    """
    if depth == 2:
        return [np.sqrt(0.1) * np.eye(2)] * 2
    rng = np.random.default_rng(seed)
    A = 0.3 * rng.standard_normal((2, 2))
    return balanced_factors(A if np.linalg.det(A) > 0 else A[::-1].copy(), [2] * (depth - 1), rng)


def _flow(factors: list[Array], times: Array) -> NormRun:
    model = linear_network(factors)
    path = gradient_flow(model, end_to_end(PROBLEM.loss()), np.eye(2), times)
    layers = factors_of(model, path.values)
    matrices = product(layers)
    determinants = np.prod([np.linalg.det(W) for W in layers], axis=0)
    largest = np.array([product_spectrum(W)[0] for W in matrices])
    spectra = np.stack([largest, abs(determinants) / largest], axis=1)
    return NormRun(times, path.losses, determinants, matrices, spectra, path.energy_defect)


def _times(depth: int) -> Array:
    """Zero and 60 times; the flow becomes stiff as W grows, sooner with more layers."""
    return np.append(0.0, np.geomspace(0.1, 100.0 if depth == 2 else 30.0, 60))


def _ranks(run: NormRun) -> Array:
    return np.array([effective_rank(s) for s in run.spectra])


def check(seed: int = 0, depth: int | None = None, quick: bool = False) -> list[Check]:
    """Compare the bounds with flows from balanced starts: at every time with L <= 1/4, the worst is shown."""
    checks: list[Check] = []
    for layers in (depth,) if depth is not None else (3,) if quick else DEPTHS:
        require_int("norms-to-infinity", "depth", layers, 2)
        for offset in range(1 if quick or layers == 2 else 2):
            run, seconds = timed(partial(norm_flow, small_start(seed + offset, layers), _times(layers)))
            checks += _check_run(run, {"seed": seed + offset, "note": f"N = {layers}"}, seconds)
    return checks


def _check_run(run: NormRun, details: dict[str, Any], seconds: float) -> list[Check]:
    small = run.losses <= 0.25
    L, entry, second = run.losses[small], abs(run.matrices[small, 0, 0]), run.spectra[small, 1]
    rank_ratio = _ranks(run)[small] / effective_rank_bound(L)
    entry_ratio, distance_ratio = entry / unobserved_entry_bound(L), second / rank_one_distance_bound(L)
    return [
        at_least("|w_11| over its bound", 1.0, entry_ratio.min(), slack=SLACK, seconds=seconds, **details),
        at_most("distance to rank one over its bound", 1.0, distance_ratio.max(), **details),
        at_most("effective rank over its bound", 1.0, rank_ratio.max(), **details),
        at_least("smallest increase of |w_11|", 0.0, np.diff(entry).min(), **details),
        at_least("smallest det W", 0.0, run.determinants.min(), **details),
        compare("energy identity of the flow", 0.0, run.energy_defect, 1e-9, **details),
    ]


def figure(seed: int = 0, depth: int | None = None) -> Any:
    """Draw |w_11| and the effective rank against the loss, with their bounds, and a start with det W < 0."""
    drawing, (left, right) = figures.new_figure(
        "As the loss falls (to the left) the unobserved entry grows without bound, and the rank falls",
        ("A norm that goes to infinity", "loss L", r"unobserved entry $|w_{11}|$"),
        ("A rank that goes to one, marked as on the left", "loss L", "effective rank of W, minus 1"),
    )
    L = np.geomspace(4e-3, 0.25, 200)
    figures.prediction(left, 0, L, unobserved_entry_bound(L), "bound (left: below, right: above), det W > 0")
    figures.prediction(right, 0, L, effective_rank_bound(L) - 1)
    runs = [
        (i, f"flow, N = {n}", norm_flow(small_start(seed, n), _times(n)))
        for i, n in enumerate(DEPTHS if depth is None else (depth,), 1)
    ]
    lost = small_start(seed, 3)
    lost[0] = lost[0] * np.array([[1.0, -1.0]])  # one column with the other sign
    for i, label, run in [*runs, (5, "flow, N = 3, det W < 0", _flow(lost, np.linspace(0, 10, 60)))]:
        shown = (run.losses >= L[0]) & (run.losses <= L[-1])
        figures.measurement(left, i, run.losses[shown][::2], abs(run.matrices[shown, 0, 0])[::2], label)
        figures.measurement(right, i, run.losses[shown][::2], _ranks(run)[shown][::2] - 1, label)
    for axis in (left, right):
        axis.set_xscale("log")
        axis.set_yscale("log")
    right.set_ylim(1e-5, 2)
    figures.legend(left, (0.0, 0.3))
    return drawing
