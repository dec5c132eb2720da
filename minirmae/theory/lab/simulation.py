"""Simulate an aligned network of any depth, by gradient flow or by training on samples.

The whole network is simulated, with random bases. The simulation does not use
the modes: that they stay apart is one of the things to be measured.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minirmae.arrays import Array
from minirmae.optimizers import Optimizer
from minirmae.theory.lab.dynamics import Path, gradient_flow, train
from minirmae.theory.lab.initial import aligned_factors
from minirmae.theory.lab.integrator import ATOL, RTOL
from minirmae.theory.lab.modes import Modes, mode_coupling, mode_strengths
from minirmae.theory.lab.networks import end_to_end, factors_of, linear_network, product, quadratic_loss, regression


@dataclass(frozen=True)
class ModeRun:
    """What an aligned network did.

    Attributes:
        strengths: (T, r), `diag(U^T W V)` at the times of the path.
        coupling: largest entry of `U^T W V` off the diagonal at any time.
        factors: `[W_1, ..., W_N]`, each (T, n_j, n_{j-1}).
        path: times, flat parameters, losses and the energy defect.
    """

    strengths: Array
    coupling: float
    factors: list[Array]
    path: Path


def flow_modes(
    modes: Modes,
    strengths: Array,
    hidden: list[int],
    times: Array,
    rng: np.random.Generator | None = None,
    *,
    decay: float = 0.0,
    rtol: float = RTOL,
    atol: float = ATOL,
) -> ModeRun:
    """Integrate the gradient flow of a network that starts aligned.

    Args:
        strengths: (N, r), the initial strengths of each layer's modes, W_1 first.
        hidden: the N - 1 widths between.
        times: (T,), increasing.
        rng: draws the hidden bases; None takes unit vectors.
        decay, rtol, atol: as in `gradient_flow`.

    Raises what `aligned_factors` and `gradient_flow` raise.
    """
    model = linear_network(aligned_factors(modes.U, strengths, modes.V, hidden, rng))
    objective = end_to_end(quadratic_loss(modes.covariance, modes.correlation, modes.target_power))
    path = gradient_flow(model, objective, np.eye(len(modes.V)), times, decay=decay, rtol=rtol, atol=atol)
    return _run(modes, factors_of(model, path.values), path)


def train_modes(
    modes: Modes,
    strengths: Array,
    hidden: list[int],
    optimizer: Optimizer,
    steps: int,
    rng: np.random.Generator,
    *,
    every: int = 1,
) -> ModeRun:
    """Train a network that starts aligned with one of the library's optimisers, full batch.

    The samples, two for each mode, have exactly the moments of `modes`. Times
    of the path are numbers of steps; `every` and the errors are those of `train`.
    """
    x, y = modes.data(rng, samples=2 * len(modes.sigma))
    model = linear_network(aligned_factors(modes.U, strengths, modes.V, hidden, rng))
    path = train(model, regression(y), x, optimizer, steps, every)
    return _run(modes, factors_of(model, path.values), path)


def _run(modes: Modes, factors: list[Array], path: Path) -> ModeRun:
    W = product(factors)
    return ModeRun(mode_strengths(modes.U, W, modes.V), mode_coupling(modes.U, W, modes.V), factors, path)
