"""A deep linear autoencoder from a random start: what remains of the exact solution (T13).

The theorem assumes a start that is aligned with the data and balanced; a real
one is neither. Here a network of the library's default initialisation is trained by
one of the library's optimisers on exact moments, and its rank is read when
the loss has fallen to given fractions of its start: ranks at one time would
only say that deep networks are slower.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from minirmae.arrays import Array
from minirmae.layers import Linear, Sequential
from minirmae.measures.rank import effective_rank, product_spectrum
from minirmae.optimizers import SGD, Adam, Optimizer
from minirmae.theory.lab.autoencoder_landscape import autoencoder_problem
from minirmae.theory.lab.dynamics import train
from minirmae.theory.lab.modes import mode_strengths
from minirmae.theory.lab.networks import end_to_end, factors_of, linear_network, product, quadratic_loss
from minirmae.theory.lab.result import Check, at_least, timed
from minirmae.validation import require_int

POWER_LAW = tuple(float(i) ** -1.5 for i in range(1, 17))
"""Variances of the sixteen modes that the examples learn."""

OPTIMIZERS: dict[str, Callable[[], Optimizer]] = {"SGD": lambda: SGD(0.05), "Adam": lambda: Adam(1e-3)}
"""The two compared, with rates at which all the depths shown converge."""

EXTRA_LAYERS = (0, 2, 4)
"""l of the check; from about l = 8 the rank cannot fall further: some directions are needed for the loss."""


def rank_against_loss(
    extra_layers: int,
    optimizer: Optimizer,
    rng: np.random.Generator,
    fractions: Sequence[float] = (0.3,),
    lam: ArrayLike = POWER_LAW,
    max_steps: int = 20_000,
) -> Array:
    """Return the effective rank of W when the loss first falls to fractions of its start.

    Args:
        extra_layers: l >= 0; the network has l + 2 layers, all as wide as the input.
        optimizer: a fresh one.
        rng: draws the data's basis and the weights.
        fractions: decreasing, in (0, 1).
        lam: (d,), variances of the data.

    Returns (len(fractions),).

    Raises ValueError if an argument is not valid, or the last fraction is not reached in `max_steps`.
    """
    where = "rank_against_loss"
    require_int(where, "extra_layers", extra_layers, 0)
    if not fractions or not all(a > b for a, b in zip((1.0, *fractions), (*fractions, 0.0), strict=True)):
        raise ValueError(f"{where}: fractions must decrease and lie between 0 and 1, got {list(fractions)}")
    modes = autoencoder_problem(rng, lam)
    size, eye = len(modes.lam), np.eye(len(modes.lam))
    layers = [Linear(size, size, rng=rng, bias=False, dtype=np.float64) for _ in range(extra_layers + 2)]
    model = Sequential(*layers)
    objective = end_to_end(quadratic_loss(modes.covariance, modes.correlation, modes.target_power))
    ranks: list[float] = []
    first = np.inf
    for step in range(max_steps):
        model.zero_grads()
        loss, backward = objective(model, eye, None)
        first = float(loss) if step == 0 else first
        while loss <= fractions[len(ranks)] * first:
            ranks.append(effective_rank(product_spectrum(product(factors_of(model)))))
            if len(ranks) == len(fractions):
                return np.array(ranks)
        backward()
        optimizer.step(model.values, model.grads)
    raise ValueError(
        f"{where}: after {max_steps} steps the loss is still {float(loss) / first:.3g} of its start, "
        f"above {fractions[-1]}; allow more steps or a higher rate"
    )


def half_steps(
    extra_layers: int, optimizer: Optimizer, rng: np.random.Generator, lam: ArrayLike, scale: float, steps: int
) -> Array:
    """Return the step at which each mode is first half learned, (d,), from Gaussian weights of deviation `scale`.

    Infinite for a mode that is not learned within `steps` updates. Raises what `train` raises.
    """
    modes = autoencoder_problem(rng, lam)
    size = len(modes.lam)
    model = linear_network([scale * rng.normal(size=(size, size)) for _ in range(extra_layers + 2)])
    objective = end_to_end(quadratic_loss(modes.covariance, modes.correlation, modes.target_power))
    path = train(model, objective, np.eye(size), optimizer, steps)
    learned = mode_strengths(modes.U, product(factors_of(model, path.values)), modes.V) >= 0.5
    return np.where(learned.any(axis=0), path.times[learned.argmax(axis=0)], np.inf)


def check_random_start(seed: int, quick: bool = False) -> list[Check]:
    """Check that from random starts larger modes come first, and that at equal loss deeper networks have lower rank."""
    variances, starts = [1.0, 0.5, 0.25], range(seed, seed + (3 if quick else 5))
    halves, seconds = timed(
        lambda: [half_steps(1, SGD(0.1), np.random.default_rng(s), variances, 0.05, steps=2000) for s in starts]
    )
    gap = float(np.diff(np.median(halves, axis=0)).min())
    note = f"l = 1, variances 1, 1/2, 1/4, median of {len(starts)} starts"
    checks = [
        at_least("random start: steps between modes, smallest gap", 1.0, gap, seed=seed, note=note, seconds=seconds)
    ]
    for name, optimizer in OPTIMIZERS.items():
        ranks, seconds = timed(partial(_ranks, optimizer, starts))
        medians = np.median(ranks, axis=0)
        fall = float(-np.diff(medians).max())
        note = ", ".join(f"l = {l}: {rank:.1f}" for l, rank in zip(EXTRA_LAYERS, medians, strict=True))
        title = f"random start, {name}: fall of the rank at 30 % loss, every two layers"
        checks.append(at_least(title, 1.0, fall, seed=seed, note=note, seconds=seconds))
    return checks


def _ranks(optimizer: Callable[[], Optimizer], seeds: Iterable[int]) -> list[list[float]]:
    """The ranks at 30 % of the loss, one list over `EXTRA_LAYERS` for each seed."""
    return [
        [float(rank_against_loss(l, optimizer(), np.random.default_rng(seed))[0]) for l in EXTRA_LAYERS]
        for seed in seeds
    ]
