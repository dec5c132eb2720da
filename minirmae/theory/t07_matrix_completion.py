"""T7. Deep matrix completion against the smallest nuclear norm (Arora, Cohen, Hu, Luo 2019).

Hypotheses: a square matrix M of low rank; the loss |W - M|^2 / 2 over the
observed entries (no mean); W = W_N ... W_1 without a bottleneck; balanced
factors of one and the same small matrix W(0) for every depth N; gradient descent with rate

    eta = 1 / (2 N s_1(M)^(2 - 2/N)),

half of 1 / curvature at a balanced solution, so that depths are compared at equal stability.

What is exact: one layer never moves an entry that is not observed, and the others decay,

    W_k = M + (1 - eta)^k (W_0 - M) where observed,    W_k = W_0 elsewhere.

And `lab/nuclear_norm` computes the smallest nuclear norm with a certificate,
which bounds the nuclear norm of whatever training finds.

What is measured, not proved: three and more layers complete the
matrix where the smallest nuclear norm does not, and their effective rank is that of M. It is a
statement about most problems, so medians are checked; single problems do fail.
Two layers need not tend to the smallest nuclear norm (Li, Luo, Lyu 2021).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from minirmae.arrays import Array
from minirmae.measures.rank import effective_rank, product_spectrum
from minirmae.optimizers import SGD
from minirmae.theory.lab import figures
from minirmae.theory.lab.completion import CompletionProblem, random_completion
from minirmae.theory.lab.dynamics import train
from minirmae.theory.lab.initial import balanced_factors
from minirmae.theory.lab.networks import end_to_end, factors_of, linear_network, product
from minirmae.theory.lab.nuclear_norm import Completion, minimum_nuclear_norm
from minirmae.theory.lab.result import Check, at_least, at_most, compare, timed
from minirmae.validation import require_positive_int

SIZE, RANK, SEEDS = 16, 2, 8
OBSERVED, QUICK_OBSERVED = 115, 130
"""Observed entries of 256; 60 numbers describe a matrix of rank 2. With 130 nearly every problem is easy."""
STEPS = 8000
"""Updates of a run; deeper networks get more."""
GAP = 5e-8
"""Relative gap to which the smallest nuclear norm is certified."""
DEPTHS = (1, 2, 3, 4)
NUCLEAR = 0  # stands for the smallest nuclear norm where results are listed by depth


@dataclass(frozen=True)
class CompletionRun:
    """What training found.

    Attributes:
        steps: (T,), numbers of updates.
        matrices: (T, outputs, inputs), the product matrix after each.
        losses: (T,).
    """

    steps: Array
    matrices: Array
    losses: Array


def completion_rate(problem: CompletionProblem, depth: int) -> float:
    """Return the learning rate `1 / (2 N s_1^(2 - 2/N))`, s_1 the largest singular value of the whole matrix.

    Raises ValueError if depth < 1.
    """
    require_positive_int("completion_rate", depth=depth)
    return float(0.5 / (depth * np.linalg.norm(problem.matrix, 2) ** (2 - 2 / depth)))


def one_layer_completion(steps: Array, start: Array, problem: CompletionProblem, rate: float) -> Array:
    """Return the matrices (T, outputs, inputs) of a single layer after `steps` (T,) updates: the closed form above.

    Raises ValueError unless 0 < rate < 2, where gradient descent converges.
    """
    if not 0 < rate < 2:
        raise ValueError(f"one_layer_completion: gradient descent converges for rates in (0, 2), got {rate!r}")
    left = (1 - rate) ** np.asarray(steps, dtype=float)[:, None, None]
    return np.where(problem.observed, problem.matrix + left * (start - problem.matrix), start)


def train_completion(
    problem: CompletionProblem, start: Array, depth: int, steps: int, every: int | None = None
) -> CompletionRun:
    """Train a linear network of `depth` layers, from balanced factors of `start`, by full-batch SGD.

    Args:
        start: (outputs, inputs), the product matrix before training.
        depth: number of layers N; hidden layers are as wide as the narrower side of the matrix.
        steps: number of updates, at `completion_rate`.
        every: number of steps between two records; None records the start and the end.
    """
    rate = completion_rate(problem, depth)
    model = linear_network(balanced_factors(start, [min(start.shape)] * (depth - 1)))
    objective, batch = end_to_end(problem.loss()), np.eye(start.shape[1])
    path = train(model, objective, batch, SGD(rate), steps, steps if every is None else every)
    return CompletionRun(path.times, product(factors_of(model, path.values)), path.losses)


def _problem(seed: int, observed: int) -> tuple[CompletionProblem, Array]:
    """A random problem and the small matrix that training starts from."""
    rng = np.random.default_rng(seed)
    return random_completion(rng, SIZE, RANK, observed), 1e-3 / np.sqrt(SIZE) * rng.standard_normal((SIZE, SIZE))


def _schedule(layers: int) -> tuple[int, int]:
    """Steps, and how often to record: one layer needs few, more than three layers stay longer on their plateaus."""
    steps = STEPS * max(1, layers - 3)
    return (40, 1) if layers == 1 else (steps, steps)


def _score(problem: CompletionProblem, W: Array) -> tuple[float, float]:
    """Error on the entries not observed, and effective rank."""
    return problem.unobserved_error(W), effective_rank(product_spectrum(W))


def check(seed: int = 0, depth: int | None = None, quick: bool = False) -> list[Check]:
    """Certify the smallest nuclear norm, compare one layer with its closed form, and several with the nuclear norm."""
    depths = (depth,) if depth is not None else (1, 3) if quick else DEPTHS
    checks: list[Check] = []
    scores: dict[int, list[tuple[float, float]]] = {layers: [] for layers in (NUCLEAR, *depths)}
    for offset in range(1 if quick else SEEDS):
        problem, start = _problem(seed + offset, QUICK_OBSERVED if quick else OBSERVED)
        smallest, seconds = timed(partial(minimum_nuclear_norm, problem.matrix, problem.observed, gap=GAP))
        scores[NUCLEAR].append(_score(problem, smallest.matrix))
        lower, upper = smallest.lower_bound, smallest.nuclear_norm
        name = "smallest nuclear norm, certified below and above"
        checks.append(compare(name, lower, upper, 1e-7, relative=True, seed=seed + offset, seconds=seconds))
        for layers in depths:
            run, seconds = timed(partial(train_completion, problem, start, layers, *_schedule(layers)))
            scores[layers].append(_score(problem, run.matrices[-1]))
            details: dict[str, Any] = {"seed": seed + offset, "note": f"N = {layers}"}
            checks.append(_check_bound(smallest, run.matrices[-1], seconds=seconds, **details))
            if layers == 1:
                exact = one_layer_completion(run.steps, start, problem, completion_rate(problem, 1))
                checks.append(compare("N = 1, closed form of every entry", exact, run.matrices, 1e-12, **details))
    return checks + _check_medians(scores, seed, quick)


def _check_bound(smallest: Completion, W: Array, **details: Any) -> Check:
    """The certificate bounds every matrix, finished completion or not: <dual, W> <= |W|_*."""
    bound, norm = float((smallest.dual * W).sum()), float(product_spectrum(W).sum())
    return at_least("nuclear norm of what is trained, certified bound", bound, norm, slack=1e-9, **details)


def _check_medians(scores: dict[int, list[tuple[float, float]]], seed: int, quick: bool) -> list[Check]:
    """Over the problems: who completes the matrix, and with what effective rank."""
    median = {layers: np.median(values, axis=0) for layers, values in scores.items()}
    checks = []
    if not quick:  # the quick problem is one that the nuclear norm may solve
        note = f"{SEEDS} problems"
        checks.append(at_least("median error, smallest nuclear norm", 0.15, median[NUCLEAR][0], seed=seed, note=note))
    for layers, (error, rank) in median.items():
        details: dict[str, Any] = {"seed": seed, "note": f"N = {layers}"}
        if layers >= 3:
            checks.append(at_most("median error, three layers and more", 0.05, error, **details))
            checks.append(at_most("median effective rank, three layers and more", RANK + 0.1, rank, **details))
        if layers in (2, 3) and layers - 1 in median:
            shallower = median[layers - 1][1]
            checks.append(at_most("median effective rank, against one layer fewer", shallower, rank, **details))
    return checks


def figure(seed: int = 0, depth: int | None = None) -> Any:
    """Draw the effective rank along training at each depth, and the errors on what four problems do not show."""
    drawing, (left, right) = figures.new_figure(
        "Matrix completion: three layers and more find the low rank that the smallest nuclear norm misses",
        (
            f"One matrix of rank {RANK}, {OBSERVED} of {SIZE**2} entries observed",
            "steps of gradient descent",
            "effective rank of the product matrix",
        ),
        ("Entries not observed, four problems", "layers N", "relative error of unobserved entries"),
    )
    depths = DEPTHS if depth is None else (depth,)
    ends = (min(depths) - 0.4, max(depths) + 0.4)
    for offset in range(4):
        problem, start = _problem(seed + offset, OBSERVED)
        smallest = _score(problem, minimum_nuclear_norm(problem.matrix, problem.observed, gap=GAP).matrix)
        errors = []
        for i, layers in enumerate(depths):
            run = train_completion(problem, start, layers, STEPS, 100)
            errors.append(_score(problem, run.matrices[-1])[0])
            if offset == 0:
                ranks = [_score(problem, W)[1] for W in run.matrices[1::3]]
                figures.measurement(left, i, run.steps[1::3], ranks, f"trained, N = {layers}")
        if offset == 0:
            figures.prediction(left, 1, [100, STEPS], [smallest[1]] * 2, "smallest nuclear norm")
            figures.prediction(left, 0, [100, STEPS], [effective_rank(product_spectrum(problem.matrix))] * 2, "truth")
        figures.prediction(right, offset, ends, [smallest[0]] * 2, "smallest nuclear norm" if offset == 0 else None)
        figures.measurement(right, offset, depths, errors, f"trained, problem {seed + offset}")
    right.set_yscale("log")
    right.set_xticks(depths)
    figures.legend(left, (0.55, 0.24))
    figures.legend(right)
    return drawing
