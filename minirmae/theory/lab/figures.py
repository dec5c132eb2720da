"""How the figures of the theory look: prediction as lines, measurement as points, readable in grey.

Colours run from dark to light in an order that stays distinct without hue,
and neighbouring curves also differ in their dashes and markers.
"""

from __future__ import annotations

import io
import os
from typing import Any

from minirmae.files import atomic_write

STYLES = (
    ("#1b1035", "-", "o"),
    ("#7a2180", "--", "s"),
    ("#c9414f", "-.", "^"),
    ("#f0913d", ":", "D"),
    ("#cfc64a", "-", "v"),
    ("#7d7d7d", "--", "P"),
)
"""Colour, dash and marker, by the number of the curve."""


def new_figure(title: str, *panels: tuple[str, str, str]) -> tuple[Any, list[Any]]:
    """Return a matplotlib Figure and its axes, side by side.

    Args:
        title: says what to see.
        panels: for each panel its own title, the label of x and the label of y, units included.

    Raises ImportError if matplotlib is missing.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("figures need matplotlib: pip install 'minirmae[plot]'") from error
    figure = Figure(figsize=(5.2 * len(panels) + 0.3, 3.9), layout="constrained")
    figure.suptitle(title, fontsize=11)
    axes = [figure.add_subplot(1, len(panels), i + 1) for i in range(len(panels))]
    for axis, (panel, x, y) in zip(axes, panels, strict=True):
        axis.set_title(panel, fontsize=10)
        axis.set_xlabel(x)
        axis.set_ylabel(y)
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def prediction(axis: Any, index: int, x: Any, y: Any, label: str | None = None) -> None:
    """Draw a predicted curve as a line in the style of curve number `index`."""
    colour, dash, _ = STYLES[index % len(STYLES)]
    axis.plot(x, y, color=colour, linestyle=dash, linewidth=1.4, label=label)


def measurement(axis: Any, index: int, x: Any, y: Any, label: str | None = None) -> None:
    """Draw measured values as open points in the style of curve number `index`."""
    colour, _, marker = STYLES[index % len(STYLES)]
    axis.plot(x, y, color=colour, linestyle="", marker=marker, markersize=4.5, markerfacecolor="white", label=label)


def legend(axis: Any, place: str | tuple[float, float] = "best") -> None:
    """Add a small legend without a frame, at a matplotlib `loc`."""
    axis.legend(frameon=False, fontsize=8, loc=place, handlelength=2.6)


def save_png(figure: Any, path: str | os.PathLike[str]) -> None:
    """Write the figure to `path`, atomically, as a PNG of 110 dots per inch.

    Raises OSError if the directory is missing, unwritable or full.
    """
    buffer = io.BytesIO()
    # No date or version in the file: the same figure gives the same bytes.
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    with atomic_write(path) as file:
        file.write(buffer.getvalue())
