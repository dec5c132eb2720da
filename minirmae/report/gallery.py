"""Pictures of what a trained autoencoder makes of codes, arranged as in the paper."""

from __future__ import annotations

from typing import Any

import numpy as np

from minirmae.arrays import Array, asarray, asnumpy
from minirmae.engine import prepared
from minirmae.measures import interpolate, pca_grid, sample_gaussian, sample_mixture
from minirmae.report import plots
from minirmae.report.analysis import Analysis
from minirmae.validation import require_choice

SIDE = 10
"""Number of pictures in a row, and of rows in a grid."""


def picture(analysis: Analysis, kind: str, rng: np.random.Generator, *, components: int = 4) -> Any:
    """Return the figure of one `kind`: "reconstruction", "interpolation", "pca", "gaussian" or "gmm".

    `rng` chooses the images and draws the samples; `components` is the mixture's number of Gaussians.

    Raises ValueError for another kind, or for codes that do not allow it.
    """
    kinds = {
        "reconstruction": lambda: _reconstruction(analysis, rng),
        "interpolation": lambda: _interpolation(analysis, rng),
        "pca": lambda: _grid(analysis, pca_grid(analysis.codes, SIDE), "first two principal components"),
        "gaussian": lambda: _grid(analysis, sample_gaussian(analysis.codes, SIDE**2, rng), "samples from one Gaussian"),
        "gmm": lambda: _grid(
            analysis,
            sample_mixture(analysis.codes, SIDE**2, rng, components),
            f"samples from a mixture of {components} Gaussians",
        ),
    }
    require_choice("picture", "kind", kind, kinds)
    return kinds[kind]()


def _reconstruction(analysis: Analysis, rng: np.random.Generator) -> Any:
    chosen = _choose(analysis, SIDE, rng)
    originals = analysis.dataset.batch(chosen, analysis.model.dtype)
    pictures = _decoded(analysis, _codes(analysis, chosen))
    return plots.pairs_figure(originals, pictures, title=f"{analysis.label}: images it was not trained on")


def _interpolation(analysis: Analysis, rng: np.random.Generator) -> Any:
    chosen = _choose(analysis, 2 * SIDE, rng)
    line = interpolate(_codes(analysis, chosen[:SIDE]), _codes(analysis, chosen[SIDE:]))
    rows, columns, n = line.shape
    pictures = _decoded(analysis, line.reshape(-1, n)).reshape(rows, columns, *analysis.dataset.shape)
    return plots.image_grid(pictures, title=f"{analysis.label}: straight lines between two codes")


def _grid(analysis: Analysis, codes: Array, what: str) -> Any:
    pictures = _decoded(analysis, codes).reshape(SIDE, SIDE, *analysis.dataset.shape)
    return plots.image_grid(pictures, title=f"{analysis.label}: {what}")


def _codes(analysis: Analysis, chosen: Array) -> Array:
    """The codes of the images at the indices `chosen`."""
    return analysis.codes[asarray(chosen, analysis.model.device)]


def _decoded(analysis: Analysis, codes: Array) -> Array:
    """The pictures of codes, as a NumPy array."""
    return asnumpy(prepared(analysis.model, analysis.run.config.engine).decode(codes))


def _choose(analysis: Analysis, count: int, rng: np.random.Generator) -> Array:
    """Indices of `count` images, each once while there are enough."""
    total = len(analysis.dataset)
    return np.asarray(rng.choice(total, count, replace=total < count))
