"""T10. The margins that architectures maximise (Gunasekar, Lee, Soudry, Srebro 2018).

Hypotheses: a linear classifier `x -> beta^T x` made of L layers; rows
z_n = y_n x_n that can be separated; the exponential loss, `sum exp(-z_n^T beta)`;
gradient flow whose loss goes to 0 and whose weights and multipliers converge in direction.

Statement: training picks a classifier of large margin, and the architecture
says in which norm. Write alpha for the limit of the samples' shares of the
loss (at least 0, and 0 off the margin) and z = sum alpha_n z_n.

*Fully connected* layers, any L: the limit is the hard-margin separator, beta
parallel to z, the largest margin in |beta|_2.

*Full-width circular convolutions* w_1, ..., w_L, whose discrete Fourier transforms
multiply, `beta^ = w_1^ w_2^ ... w_L^`: the limit is a stationary point of

    minimise sum_d |beta^_d|^(2/L)   subject to   z_n^T beta >= 1,

which says that wherever beta^_d is not 0

    z^_d = c |beta^_d|^(2/L - 2) beta^_d,   one constant c > 0 for all d.

Multiplied by the conjugate of beta^_d: every frequency's share of the margin z^T beta
equals its share of the penalty. L = 1 is the separator; L = 2 is convex, so
that |z^_d| <= c everywhere, and beta has the largest margin in the l1 norm of its
spectrum; at L > 2 spectra are sparser still, but a limit need not be a global minimum.

`lab/spectral_margin` holds these conditions, `lab/max_margin` the certified separator.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from minirmae.arrays import Array
from minirmae.theory.lab import figures
from minirmae.theory.lab.integrator import integrate
from minirmae.theory.lab.max_margin import margin_gap, max_margin, unit
from minirmae.theory.lab.networks import factors_of, linear_network, product
from minirmae.theory.lab.result import Check, at_most, compare, timed
from minirmae.theory.lab.spectral_margin import fourier_margin_gap, loss_shares, margin_shares, penalty_shares

DEPTHS = (1, 2, 3, 4)
"""Numbers of layers of the checks."""

INPUTS, HIDDEN = 8, 5
"""Length of the signals; width of the hidden layers of fully connected networks."""

CLOCK = np.array([0.0, 1000.0, 4000.0])
"""Times -ln(loss) + ln(loss at the start) at which classifiers are looked at; the last is compared with the limit."""


def convolutional_flow(Z: Array, start: Array, times: Array) -> Array:
    """Follow L circular convolutions of full width; return beta at the times, (T, inputs).

    Args:
        Z: (samples, inputs), rows y_n x_n.
        start: (L, inputs), the initial w_l.
        times: (T,), increasing from 0, as in `fully_connected_flow`.
    """
    inputs = start.shape[1]

    def ascent(w: Array) -> Array:
        spectra = np.fft.rfft(w.reshape(start.shape))
        pull = np.fft.rfft(loss_shares(np.fft.irfft(spectra.prod(axis=0), inputs), Z) @ Z)
        others = np.array([np.delete(spectra, layer, 0).prod(axis=0) for layer in range(len(start))])
        return np.fft.irfft(others.conj() * pull, inputs).ravel()

    path = _follow(ascent, start.ravel(), times).reshape(len(times), *start.shape)
    return np.fft.irfft(np.fft.rfft(path).prod(axis=1), inputs)


def fully_connected_flow(Z: Array, factors: list[Array], times: Array) -> Array:
    """Follow a deep linear network of one output, in the library's own layers; return beta at the times, (T, inputs).

    Args:
        Z: (samples, inputs), rows y_n x_n.
        factors: `[W_1, ..., W_L]`, the last with one row.
        times: (T,), increasing from 0. The path is that of gradient flow on the loss, but on the
            clock on which ln(loss) falls at rate 1: `w' = g/|g|^2`, `g = -grad ln(loss)`.
    """
    model = linear_network(factors)

    def ascent(w: Array) -> Array:
        model.values[...] = w
        model.zero_grads()
        margins, backward = model(Z)
        backward(loss_shares(margins[:, 0], np.eye(len(Z)))[:, None])
        return model.grads

    return product(factors_of(model, _follow(ascent, model.values.copy(), times)))[:, 0]


def _follow(ascent: Callable[[Array], Array], start: Array, times: Array) -> Array:
    """Integrate w' = g/|g|^2; the limit attracts, so a moderate tolerance is enough, and stability sets the step."""

    def field(s: float, w: Array) -> Array:
        g = ascent(w)
        slope: Array = g / (g @ g)
        return slope

    return integrate(field, start, times, rtol=1e-6, atol=1e-9).states


def planted_data(rng: np.random.Generator, others: int = 4) -> tuple[Array, Array]:
    """Return rows Z (4 + others, 8) whose classifier of largest l1 spectral margin is known, and that classifier.

    Beta has two active frequencies; z has modulus 1 and the phases of beta there, and modulus
    at most 0.7 elsewhere. Four samples on the margin, z and a part across beta whose mean is 0,
    make beta the only solution; the others have margins of 2 to 3.
    """
    modulus = rng.uniform(0.1, 0.7, INPUTS // 2 + 1)
    active = rng.permutation(np.arange(1, INPUTS // 2))[:2]
    modulus[active] = 1.0
    spectrum = modulus * np.exp(2j * np.pi * rng.uniform(size=len(modulus)))
    spectrum[[0, -1]] = spectrum[[0, -1]].real
    sizes = np.zeros(len(modulus))
    sizes[active] = rng.uniform(0.5, 1.5, 2)
    z, beta = np.fft.irfft(spectrum, INPUTS), np.fft.irfft(sizes * spectrum, INPUTS)
    beta /= z @ beta
    across = rng.normal(size=(4 + others, INPUTS)) * np.linalg.norm(z) / 2
    across -= np.outer(across @ beta, beta) / (beta @ beta)
    across[:4] -= across[:4].mean(axis=0)
    margins = np.concatenate([np.ones(4), rng.uniform(2, 3, others)])
    return np.outer(margins, z) + across, beta


def check(seed: int = 0, depth: int | None = None, quick: bool = False) -> list[Check]:
    """Compare trained classifiers with their optimality conditions, and two of them with certified solutions."""
    checks: list[Check] = []
    for offset in range(1 if quick else 2):
        rng = np.random.default_rng(seed + offset)
        Z, planted = planted_data(rng)
        for L in (DEPTHS if depth is None else (depth,))[: 2 if quick else None]:
            details: dict[str, Any] = {"seed": seed + offset, "note": f"{L} layers, {len(Z)} samples"}
            checks += _check_fully_connected(Z, L, rng, details)
            checks += _check_convolutional(Z, planted, L, rng, details)
    return checks


def _check_fully_connected(Z: Array, L: int, rng: np.random.Generator, details: dict[str, Any]) -> list[Check]:
    """The gap to the hard margin; the direction closes in like s^(-1/L), up to terms of relative size s^(-1/L)."""
    widths = [INPUTS, *[HIDDEN] * (L - 1), 1]
    factors = [0.3 * rng.normal(size=(after, before)) for before, after in itertools.pairwise(widths)]
    betas, seconds = timed(lambda: fully_connected_flow(Z, factors, CLOCK))
    gap = margin_gap(betas[-1], loss_shares(betas[-1], Z), Z)
    middle, late = np.linalg.norm(unit(betas[1:]) - unit(max_margin(Z).direction), axis=1)
    exponent = float(np.log(middle / late) / np.log(CLOCK[2] / CLOCK[1]))
    checks = [at_most("fully connected: l2 margin gap", 0.0, gap, slack=5e-2, seconds=seconds, **details)]
    if max(DEPTHS) >= L:  # deeper, those terms are not small yet
        checks.append(compare("fully connected: exponent 1/L of the direction", 1 / L, exponent, 0.05, **details))
    return checks


def _check_convolutional(
    Z: Array, planted: Array, L: int, rng: np.random.Generator, details: dict[str, Any]
) -> list[Check]:
    """Shares of the margin against shares of the penalty; at L = 2 the certified gap and the planted classifier."""
    start = 0.3 * rng.normal(size=(L, INPUTS))
    betas, seconds = timed(lambda: convolutional_flow(Z, start, CLOCK))
    beta = betas[-1]
    measured = margin_shares(beta, loss_shares(beta, Z), Z)
    predicted, instant = timed(lambda: penalty_shares(beta, L), repeats=20)
    clock: dict[str, Any] = {"seconds": seconds, "speedup": seconds / instant}
    checks = [compare("convolutional: shares by frequency", predicted, measured, 5e-2, **clock, **details)]
    if L == 2:
        gap = fourier_margin_gap(beta, loss_shares(beta, Z), Z)
        checks.append(at_most("convolutional, L = 2: l1 margin gap", 0.0, gap, slack=5e-2, **details))
        cosine = float(unit(planted) @ unit(beta))
        checks.append(compare("convolutional, L = 2: cosine to the planted", 1.0, cosine, 5e-3, **details))
    return checks


def figure(seed: int = 0, depth: int | None = None) -> Any:
    """Draw z^ against beta^ for several depths, and the spectra that two architectures choose on the same data.

    `depth` takes the place of three layers.
    """
    rng = np.random.default_rng(seed)
    drawing, (left, right) = figures.new_figure(
        "The architecture chooses the norm: convolutions make the spectrum sparse (lines: theory, points: training)",
        (
            "Circular convolutions of L layers, each frequency a point",
            r"$|\hat\beta_d|$ / largest (no unit)",
            r"$|\hat z_d|$ / its value at the largest (no unit)",
        ),
        ("The same data, two layers", "frequency d (periods per signal)", r"$|\hat\beta_d|\,/\,|\beta|$ (no unit)"),
    )
    truth = unit(rng.normal(size=INPUTS))
    x = rng.normal(size=(10, INPUTS))
    crowded = x * np.sign(x @ truth)[:, None] + truth
    sizes = np.geomspace(0.04, 1, 50)
    for i, L in enumerate(sorted({1, 2, depth or 3})):
        figures.prediction(left, i, sizes, sizes ** (2 / L - 1), f"slope 2/L - 1, L = {L}")
        for _ in range(3):
            beta = convolutional_flow(crowded, 0.3 * rng.normal(size=(L, INPUTS)), CLOCK)[-1]
            b, z = (np.abs(np.fft.rfft(v)) for v in (beta, loss_shares(beta, crowded) @ crowded))
            active = b > 0.05 * b.max()
            figures.measurement(left, i, b[active] / b.max(), z[active] / z[b.argmax()])

    Z, planted = planted_data(rng)
    first = 0.3 * rng.normal(size=(HIDDEN, INPUTS))
    connected = fully_connected_flow(Z, [first, 0.3 * rng.normal(size=(1, HIDDEN))], CLOCK)[-1]
    convolved = convolutional_flow(Z, 0.3 * rng.normal(size=(2, INPUTS)), CLOCK)[-1]
    frequencies = np.arange(INPUTS // 2 + 1)
    pairs = (
        ("fully connected: largest l2 margin", max_margin(Z).direction, connected),
        ("convolutional: largest l1 margin", planted, convolved),
    )
    for i, (label, theory, trained) in enumerate(pairs):
        figures.prediction(right, 2 * i, frequencies, np.abs(np.fft.rfft(unit(theory))), label)
        figures.measurement(right, 2 * i, frequencies, np.abs(np.fft.rfft(unit(trained))))
    left.set_xscale("log")
    left.set_yscale("log")
    right.set_xticks(frequencies)
    right.set_ylim(top=2.3)  # room for the legend
    figures.legend(left)
    figures.legend(right)
    return drawing
