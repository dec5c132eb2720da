"""The figures of a comparison: spectra, pictures side by side, maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minirmae.arrays import Array
from minirmae.report import plots, style

KINDS = {
    "reconstruction": "Images not trained on, and what becomes of them",
    "mixture": "Samples from a mixture of 4 Gaussians fitted to the codes",
    "gaussian": "Samples from one Gaussian fitted to the codes",
    "interpolation": "A straight line between the codes of the same two images",
}
"""The grids: name to what they show."""

_COLUMNS = 4


def picture_grid(kind: str, pictures: Mapping[str, Mapping[str, Array]]) -> Any | None:
    """Draw one row of pictures of `kind` for each label; None if no one has any.

    Args:
        kind: of `KINDS`; above reconstructions stand the originals.
        pictures: for each label, its pictures by name, uint8 (pictures, H, W, C).
    """
    rows = {label: images[kind] for label, images in pictures.items() if kind in images}
    if not rows:
        return None
    if kind == "reconstruction":
        rows = {"original": next(iter(pictures.values()))["original"], **rows}
    grid = np.stack(list(rows.values())).astype(np.float32) / 255
    return plots.image_grid(grid, row_labels=list(rows), title=KINDS[kind])


def map_figure(maps: Mapping[str, tuple[Array, Array | None, float]]) -> Any:
    """Draw maps of codes side by side.

    Args:
        maps: for each label the points (N, 2), their classes, N integers, or None, and the map's trustworthiness.

    The classes 0 to 9 are drawn as digits, so that no one needs to tell ten colours apart; others as dots.
    """
    columns = min(_COLUMNS, len(maps))
    rows = -(-len(maps) // columns)
    figure = style.new_figure(3.1 * columns, 3.3 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, (label, (points, labels, trust)) in zip(panels, maps.items(), strict=False):
        for value in [None] if labels is None else np.unique(labels):
            chosen = slice(None) if value is None else labels == value
            look = {"color": style.category(0).colour if value is None else f"C{int(value) % 10}"}
            look["marker"] = f"${int(value)}$" if value is not None and 0 <= value <= 9 else "o"
            panel.scatter(*points[chosen].T, s=9, linewidths=0, **look)
        panel.set_title(f"{label}: {trust:.3f}", loc="left", size=9.5, color=style.INK)
    for panel in panels:
        panel.set(xticks=[], yticks=[])
        panel.spines[:].set_visible(False)
        panel.set_aspect("equal", adjustable="datalim")
    return figure
