"""T14. Hierarchical data: broad distinctions are learned before fine ones (Saxe, McClelland, Ganguli 2019).

Hypotheses: 2^H items are the leaves of a binary tree of H levels, given to
the network as one-hot vectors; their properties Y (properties, items) are such
that the similarity of two items, an entry of Y^T Y, depends only on the level
of their nearest common ancestor,

    (Y^T Y)_ij = q_l,    l = 0 (the root) ... H (the item itself),    0 <= q_0 <= q_1 <= ... <= q_H;

the loss |Y - W_2 W_1|^2 / 2 is a *sum* over items, so Sxx = I and Syx = Y.

Statement: the right singular vectors of Y are the Haar wavelets of the tree,
one constant and, for each inner node, the difference of its two halves. With
D_l = q_l - q_{l-1} and D_0 = q_0 the singular values are

    constant: s^2 = sum_{l >= 0} 2^(H-l) D_l,    split of a node of level m: s^2 = sum_{l > m} 2^(H-l) D_l,

the latter 2^m-fold and never larger at a finer level. From a small aligned
start a two-layer network learns each along T1's curve with sigma = s: first
what all items share, then the split at the root, and so on down. One layer
learns all of them at the same time, half of each at t = ln 2.

Two families: one indicator property for each node, q_l = l + 1, so that s^2 is
2^(H+1) - 1 and 2^(H-m) - 1; and a property that flips its sign with probability
f along each edge, q_l = (1 - 2f)^(2(H-l)) on average.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minirmae.arrays import Array
from minirmae.optimizers import SGD
from minirmae.theory.lab import figures
from minirmae.theory.lab.dynamics import train
from minirmae.theory.lab.modes import Modes, mode_strengths
from minirmae.theory.lab.networks import factors_of, linear_network, product, regression
from minirmae.theory.lab.result import Check, at_least, compare, timed
from minirmae.theory.lab.simulation import flow_modes, train_modes
from minirmae.theory.t01_two_layer import two_layer_half_time, two_layer_modes
from minirmae.validation import require_positive_int

LEVELS = (3, 2, 4)
"""H of the checks, one for each seed."""

SCALE = 1e-4
"""Standard deviation of the weights of the random start."""


def tree_properties(levels: int) -> Array:
    """Return Y (2^(H+1) - 1, 2^H): one row for each node of the binary tree, root first, 1 at the items below it.

    Raises ValueError unless `levels`, H, is a positive integer.

    >>> tree_properties(1)
    array([[1., 1.],
           [1., 0.],
           [0., 1.]])
    """
    require_positive_int("tree_properties", levels=levels)
    return np.concatenate([np.repeat(np.eye(2**m), 2 ** (levels - m), axis=1) for m in range(levels + 1)])


def tree_wavelets(levels: int) -> Array:
    """Return the orthonormal Haar wavelets of the tree as columns (2^H, 2^H).

    Column 0 is constant, columns 2^m to 2^(m+1) - 1 split the nodes of level m.
    Raises ValueError unless `levels`, H, is a positive integer.

    >>> (tree_wavelets(2) * [2, 2, 2**0.5, 2**0.5]).round().astype(int)
    array([[ 1,  1,  1,  0],
           [ 1,  1, -1,  0],
           [ 1, -1,  0,  1],
           [ 1, -1,  0, -1]])
    """
    require_positive_int("tree_wavelets", levels=levels)
    items = 2**levels
    splits = [np.kron(np.eye(2**m), np.repeat([[1.0], [-1.0]], items // 2 ** (m + 1), axis=0)) for m in range(levels)]
    columns = np.concatenate([np.ones((items, 1)), *splits], axis=1)
    return columns / np.linalg.norm(columns, axis=0)


def diffusion_similarities(levels: int, flip: float) -> Array:
    """Return the mean similarities q_l (H+1,) of properties that flip with probability `flip` along each edge.

    Raises ValueError unless H is a positive integer and 0 <= flip <= 1/2.

    >>> diffusion_similarities(2, 0.1).round(4)
    array([0.4096, 0.64  , 1.    ])
    """
    require_positive_int("diffusion_similarities", levels=levels)
    if not 0 <= flip <= 0.5:
        raise ValueError(f"diffusion_similarities: flip must be a probability of at most 1/2, got {flip}")
    powers: Array = (1 - 2 * flip) ** (2.0 * np.arange(levels, -1, -1))
    return powers


def tree_singular_values(similarities: ArrayLike) -> Array:
    """Return the singular values (2^H,) of properties with similarities q_l, in the order of `tree_wavelets`.

    Args:
        similarities: (H+1,), from the root's q_0 to an item's own q_H.

    Raises ValueError if H < 1 or the similarities are negative or fall from the root to the items.

    >>> (tree_singular_values([1, 2, 3, 4]) ** 2).round(9)
    array([15.,  7.,  3.,  3.,  1.,  1.,  1.,  1.])
    """
    q = np.asarray(similarities, dtype=float)
    if q.ndim != 1 or len(q) < 2 or not np.isfinite(q).all():
        raise ValueError(f"tree_singular_values: expected similarities q_0 ... q_H with H >= 1, got {similarities!r}")
    D = np.diff(q, prepend=0.0)
    if (D < 0).any():
        raise ValueError(
            "tree_singular_values: similarities must be at least 0 and not fall from the root to the items: "
            f"closer relatives share at least as much; got {q.tolist()}"
        )
    levels = len(q) - 1
    weights = 2.0 ** np.arange(levels, -1, -1) * D
    squares = np.cumsum(weights[::-1])[::-1]  # entry l sums from level l down
    return np.sqrt(np.append(squares[0], np.repeat(squares[1:], 2 ** np.arange(levels))))


def _tree_modes(levels: int) -> Modes:
    """The modes of `tree_properties`, in the order of the wavelets."""
    V, sigma = tree_wavelets(levels), tree_singular_values(np.arange(1, levels + 2))
    return Modes(tree_properties(levels) @ V / sigma, sigma, V, np.ones_like(sigma))


def _every_diffusion(levels: int, flip: float) -> Array:
    """All sign patterns that can come down the tree, (2^nodes, items), each times the root of its probability."""
    signs = np.array(list(itertools.product([1.0, -1.0], repeat=2 ** (levels + 1) - 1)))
    inherited = signs[:, 1:] * np.repeat(signs[:, : 2**levels - 1], 2, axis=1)  # 1 if a node kept its parent's sign
    probability = np.where(inherited > 0, 1 - flip, flip).prod(axis=1) / 2
    return np.sqrt(probability)[:, None] * signs[:, -(2**levels) :]


def check(seed: int = 0, quick: bool = False) -> list[Check]:
    """Compare the singular structure with an SVD, and the curves with flows and with gradient descent."""
    checks: list[Check] = []
    for offset, levels in enumerate(LEVELS[: 1 if quick else None]):
        rng = np.random.default_rng(seed + offset)
        details: dict[str, Any] = {"seed": seed + offset, "note": f"{2**levels} items"}
        checks += _check_structure(levels, details)
        checks += _check_flows(levels, rng, details)
        checks += _check_random_start(levels, rng, details)
    return checks


def _check_structure(levels: int, details: dict[str, Any]) -> list[Check]:
    """Singular values and the span of each level: within a level the singular vectors of an SVD are arbitrary."""
    Y, V, s = tree_properties(levels), tree_wavelets(levels), tree_singular_values(np.arange(1, levels + 2))
    _, measured, Vt = np.linalg.svd(Y, full_matrices=False)
    splits = [slice(2**m, 2 ** (m + 1)) for m in range(levels)]
    projectors = np.array([[B[:, m] @ B[:, m].T for m in splits] for B in (V, Vt.T)])
    flip, small = 0.1, min(levels, 3)  # 16 items would have 2^31 patterns
    diffused = np.linalg.svd(_every_diffusion(small, flip), compute_uv=False)
    return [
        compare("singular values, one property a node", s, measured, 1e-12, **details),
        compare("wavelets: projectors of the levels", projectors[0], projectors[1], 1e-12, **details),
        compare(
            "singular values, diffused properties",
            tree_singular_values(diffusion_similarities(small, flip)),
            diffused,
            1e-12,
            seed=details["seed"],
            note=f"{2**small} items, {2 ** (2 ** (small + 1) - 1)} patterns",
        ),
    ]


def _check_flows(levels: int, rng: np.random.Generator, details: dict[str, Any]) -> list[Check]:
    """T1's curve for two layers; one layer learns half of every mode at ln 2."""
    modes, times = _tree_modes(levels), np.linspace(0.0, 10.0, 61)
    start = np.full((2, 2**levels), 1e-2)
    run, seconds = timed(lambda: flow_modes(modes, start, [2**levels + 1], times, rng))
    s, instant = timed(lambda: two_layer_modes(times, 1e-4, modes.sigma), repeats=20)
    shallow = flow_modes(modes, np.zeros((1, 2**levels)), [], np.array([0.0, np.log(2)]))
    return [
        compare("two layers", s, run.strengths, 1e-9, seconds=seconds, speedup=seconds / instant, **details),
        compare("modes stay apart", 0.0, run.coupling, 1e-11, **details),
        compare("one layer: half of every mode at ln 2", modes.sigma / 2, shallow.strengths[1], 1e-10, **details),
    ]


def _check_random_start(levels: int, rng: np.random.Generator, details: dict[str, Any]) -> list[Check]:
    """Gradient descent from small random weights, on the items themselves: the order holds, the times nearly."""
    modes, items, step = _tree_modes(levels), 2**levels, 0.02
    factors = [SCALE * rng.normal(size=shape) for shape in ((items, items), (2 * items - 1, items))]
    # `regression` is a mean over the items and the theorem's loss a sum: a step of this rate is a time `step`.
    optimizer, objective = SGD(step * items), regression(tree_properties(levels).T)
    model = linear_network(factors)
    path, seconds = timed(lambda: train(model, objective, np.eye(items), optimizer, round(14.0 / step), every=2))
    strengths = mode_strengths(modes.U, product(factors_of(model, path.values)), modes.V)
    # The trace over a level does not depend on the basis chosen in it.
    groups = [slice(0, 1), *(slice(2**m, 2 ** (m + 1)) for m in range(levels))]
    shares = np.array([(strengths[:, g] / modes.sigma[g]).mean(axis=1) for g in groups])
    reached = np.array([step * path.times[np.argmax(share >= 0.5)] if share[-1] >= 0.5 else np.nan for share in shares])
    predicted = two_layer_half_time(SCALE**2, modes.sigma[[g.start for g in groups]])
    return [
        compare("random start: half times", predicted, reached, 0.25, relative=True, seconds=seconds, **details),
        at_least("random start: smallest gap between levels", step, float(np.diff(reached).min()), **details),
    ]


def figure(seed: int = 0) -> Any:
    """Draw how much of each level two layers and one layer have learned."""
    levels, step = 3, 0.005
    rng, modes = np.random.default_rng(seed), _tree_modes(levels)
    names, first = ["what all share", "split of the root", "splits at level 1", "splits at level 2"], [0, 1, 2, 4]
    axes = r"time t = steps $\times$ rate", r"learned share of the level, s(t)/$\sigma$"
    drawing, panels = figures.new_figure(
        "Two layers learn a tree from the root down, one layer all levels at once (lines: theory, points: training)",
        ("Two layers from s(0) = 0.0001, SGD with rate 0.005", *axes),
        ("One layer from zero, SGD with rate 0.005", *axes),
    )
    for axis, depth, last in ((panels[0], 2, 7.0), (panels[1], 1, 3.5)):
        steps, dense = round(last / step), np.linspace(0, last, 300)
        start, hidden = np.full((depth, 8), 1e-2 if depth == 2 else 0.0), [8] * (depth - 1)
        run = train_modes(modes, start, hidden, SGD(step), steps, rng, every=steps // 20)
        for i, mode in enumerate(first):
            sigma = modes.sigma[mode]
            s = two_layer_modes(dense, 1e-4, sigma) if depth == 2 else sigma * -np.expm1(-dense)
            figures.prediction(axis, i, dense, s / sigma, rf"{names[i]}, $\sigma$ = {sigma:.2f}")
            # The levels coincide in the right panel: points that take turns show that all of them are there.
            turn = slice(None) if depth == 2 else slice(i, None, len(first))
            figures.measurement(axis, i, step * run.path.times[turn], (run.strengths[:, mode] / sigma)[turn])
    panels[1].axvline(np.log(2), color="#9a9a9a", linewidth=0.8)
    panels[1].annotate("ln 2", (np.log(2), 0.02), xytext=(4, 0), textcoords="offset points", fontsize=8)
    figures.legend(panels[1], "lower right")
    return drawing
