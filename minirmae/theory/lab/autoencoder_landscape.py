"""The stationary points of a deep linear autoencoder, and the Hessian there (T13).

The loss is L = tr (I - W) Sxx (I - W)^T / 2 with W = W_N ... W_1, N >= 2, and
Sxx = V diag(lam) V^T of full rank. Where its gradient vanishes with isometric
factors, W projects onto a set I of principal directions, W = V_I V_I^T, and
the loss is half the variance left out (Bourlard and Kamp 1988; Baldi and
Hornik 1989). The least is left out by the largest |I| directions: the minimum
under a bottleneck of width k is principal component analysis with k components.

At isometric factors, W_j = R_{j+1} R_j^T with |I| orthonormal columns each, the
whole spectrum of the Hessian is elementary. Write a, b for directions in I and
m for those outside. The second derivative along (A_1, ..., A_N) is a sum over

    a, b:    lam_b (sum_j A_j[a, b])^2                                 eigenvalues N lam_b, and 0 (N - 1 times);
    a, m:    lam_m A_1[a, m]^2 + lam_a A_N[m, a]^2 - 2 lam_m A_1[a, m] A_N[m, a]
             eigenvalues (lam_a + lam_m +- sqrt((lam_a - lam_m)^2 + 4 lam_m^2)) / 2;
    f, m:    for each hidden direction f not in use, -2 lam_m A_1[f, m] A_2[m, f] if N = 2,    +-lam_m;
             nothing if N >= 3,                                        0 and 0,

and 0 for every other entry. The second line is negative where lam_m > lam_a:
a larger direction was left out, and swapping it in descends. The third is how
a direction is *added*: with two layers downhill, with more only at higher order,
which is why deep networks wait on plateaus (for "bad" saddles in general, Kawaguchi 2016).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minirmae.arrays import Array
from minirmae.theory.lab.dynamics import gradient_flow
from minirmae.theory.lab.initial import aligned_factors, orthonormal_columns
from minirmae.theory.lab.modes import Modes
from minirmae.theory.lab.networks import end_to_end, factors_of, linear_network, product, quadratic_loss, regression
from minirmae.theory.lab.result import Check, compare, timed
from minirmae.theory.lab.sharpness import measured_hessian
from minirmae.validation import require_positive_int

SPECTRUM = np.array([3.0, 2.0, 1.2, 0.5, 0.3])
"""Variances of the checks, apart enough for the slowest swap to be over soon."""


def autoencoder_problem(rng: np.random.Generator, lam: ArrayLike) -> Modes:
    """Return the modes of an autoencoder: U = V, random, and sigma = lam (d,)."""
    variances = np.asarray(lam, dtype=float)
    V = orthonormal_columns(rng, len(variances), len(variances))
    return Modes(V, variances, V, variances)


def stationary_loss(lam: ArrayLike, kept: Sequence[int]) -> float:
    """Return half the variance that a projection on the directions `kept` leaves out.

    Args:
        lam: (d,), the variances, at least 0.
        kept: indices of principal directions, each at most once.

    Raises ValueError if an index is out of range or repeated, or a variance negative.

    >>> stationary_loss([4.0, 2.0, 1.0], kept=[0])
    1.5
    """
    variances, left_out = _split("stationary_loss", lam, kept)
    return float(variances[left_out].sum() / 2)


def stationary_factors(
    modes: Modes, kept: Sequence[int], hidden: Sequence[int], rng: np.random.Generator | None = None
) -> list[Array]:
    """Return isometric factors `[W_1, ..., W_N]` of the projection on the directions `kept`.

    Args:
        modes: of an autoencoder, U = V.
        hidden: the N - 1 widths between, at least one.
        rng: draws the hidden bases; None takes unit vectors.

    Raises ValueError if an index is not valid or a width is a bottleneck narrower than their number.
    """
    _split("stationary_factors", modes.lam, kept)
    _require_hidden("stationary_factors", kept, hidden)
    if not len(kept):
        widths = [len(modes.V), *hidden, len(modes.V)]
        return [np.zeros((after, before)) for before, after in itertools.pairwise(widths)]
    basis = modes.V[:, list(kept)]
    return aligned_factors(basis, np.ones((len(hidden) + 1, len(kept))), basis, hidden, rng)


def hessian_spectrum(lam: ArrayLike, kept: Sequence[int], hidden: Sequence[int]) -> Array:
    """Return all eigenvalues of the Hessian at the isometric factors of a projection, smallest first.

    Args:
        lam: (d,), variances of all d input directions, at least 0.
        kept: indices of the principal directions projected on.
        hidden: the N - 1 widths between, at least one, each at least `len(kept)`.

    Raises ValueError as `stationary_factors`.

    Three directions, one kept, two layers with two hidden units: the free unit can learn either
    of the others, so their variances appear with both signs.

    >>> hessian_spectrum([4.0, 2.0, 1.0], kept=[0], hidden=[2]).round(3)
    array([-2.   , -1.   ,  0.   ,  0.   ,  0.   ,  0.697,  0.764,  1.   ,
            2.   ,  4.303,  5.236,  8.   ])
    """
    variances, left_out = _split("hessian_spectrum", lam, kept)
    _require_hidden("hessian_spectrum", kept, hidden)
    inside, outside = variances[list(kept)], variances[left_out]
    total, depth = inside[:, None] + outside, len(hidden) + 1
    root = np.hypot(inside[:, None] - outside, 2 * outside)
    swaps = np.concatenate([(total - root).ravel() / 2, (total + root).ravel() / 2])
    free = np.repeat(outside, hidden[0] - len(inside)) if depth == 2 else np.empty(0)
    curved = np.concatenate([np.repeat(depth * inside, len(inside)), swaps, free, -free])
    widths = [len(variances), *hidden, len(variances)]
    flat = sum(a * b for a, b in itertools.pairwise(widths)) - len(curved)
    return np.sort(np.append(curved, np.zeros(flat)))


def check_landscape(depth: int, seed: int) -> list[Check]:
    """Compare a saddle with its predictions, and where the flow goes from there with principal components.

    Between five inputs and outputs all layers have width 4 but one, the bottleneck of width 3.
    """
    rng = np.random.default_rng(seed)
    modes, kept, hidden = autoencoder_problem(rng, SPECTRUM), [0, 2, 4], [4] * (depth - 1)
    hidden[(depth - 1) // 2] = len(kept)
    model = linear_network(stationary_factors(modes, kept, hidden, rng))
    x, _ = modes.data(rng, samples=2 * len(SPECTRUM))
    hessian, seconds = timed(lambda: measured_hessian(model, regression(x.astype(np.complex128)), x))
    eigenvalues = hessian_spectrum(SPECTRUM, kept, hidden)
    model.zero_grads()
    loss, backward = regression(x)(model, x, None)
    backward()

    objective = end_to_end(quadratic_loss(modes.covariance, modes.correlation, modes.target_power))
    model.values[...] += 0.05 * rng.normal(size=model.values.shape)
    path = gradient_flow(model, objective, np.eye(len(SPECTRUM)), np.array([0.0, 120.0]))
    W, best = product(factors_of(model, path.values[-1])), list(range(len(kept)))
    details: dict[str, Any] = {"seed": seed, "note": f"l = {depth - 2}, widths 5 {' '.join(map(str, hidden))} 5"}
    return [
        compare("saddle: gradient", 0.0, float(np.abs(model.grads).max()), 1e-12, **details),
        compare("saddle: loss", stationary_loss(SPECTRUM, kept), float(loss), 1e-12, **details),
        compare(
            "saddle: Hessian, all eigenvalues",
            eigenvalues,
            np.linalg.eigvalsh(hessian),
            1e-11,
            seconds=seconds,
            **details,
        ),
        compare("bottleneck: W becomes PCA", modes.V[:, best] @ modes.V[:, best].T, W, 1e-8, **details),
        compare("bottleneck: final loss", stationary_loss(SPECTRUM, best), path.losses[-1], 1e-10, **details),
    ]


def _split(where: str, lam: ArrayLike, kept: Sequence[int]) -> tuple[Array, Array]:
    """The variances, and which of them are not kept."""
    variances = np.asarray(lam, dtype=float)
    if variances.ndim != 1 or not np.isfinite(variances).all() or (variances < 0).any():
        raise ValueError(f"{where}: lam must be a vector of variances, finite and at least 0; got {lam!r}")
    if len(set(kept)) != len(kept) or not all(0 <= i < len(variances) for i in kept):
        raise ValueError(f"{where}: kept must be different indices below {len(variances)}, got {list(kept)}")
    left_out = np.ones(len(variances), dtype=bool)
    left_out[list(kept)] = False
    return variances, left_out


def _require_hidden(where: str, kept: Sequence[int], hidden: Sequence[int]) -> None:
    """Raise unless there are an encoder and a decoder, and every hidden layer can carry what is kept."""
    if not hidden:
        raise ValueError(f"{where}: an autoencoder has at least two layers and so one hidden width, got none")
    require_positive_int(where, **{f"hidden width {j}": width for j, width in enumerate(hidden, 1)})
    if min(hidden) < len(kept):
        raise ValueError(
            f"{where}: a hidden layer of width {min(hidden)} is a bottleneck narrower "
            f"than the {len(kept)} directions kept"
        )
