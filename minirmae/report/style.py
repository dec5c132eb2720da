"""How every figure looks: the page, the axes, the series and the file, in one place.

matplotlib is imported by the first figure, never by pyplot: no global state is
touched, no window opens and no display is needed. Series differ in colour, line
and marker, so that a figure survives a grey printer. There are two palettes:

- `category(i)` for things that have no order, such as models: Okabe and Ito's
  colours, safe for colour-blind readers, with a brown and a grey beside them.
  No two of the first 45 look the same.
- `grade(i)` for the values of one quantity, such as depth: from dark to light.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

from minirmae.files import atomic_write
from minirmae.validation import require_choice

INK, FAINT, GRID = "#303030", "#8c8c8c", "#e6e6e6"
"""Colours of text, of lines that only guide the eye, and of the grid."""

_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000", "#8C564B", "#999999")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", "h")
_LINES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (5, 1.5, 1, 1.5)), (0, (1, 1.2)), (0, (9, 2)))

_METADATA: dict[str, dict[str, None]] = {  # drop what would differ between two runs
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


class Look(NamedTuple):
    """How one series is drawn, in matplotlib's notation."""

    colour: str
    line: Any
    marker: str


GRADES = (
    Look("#1b1035", "-", "o"),
    Look("#7a2180", "--", "s"),
    Look("#c9414f", "-.", "^"),
    Look("#f0913d", ":", "D"),
    Look("#cfc64a", "-", "v"),
    Look("#7d7d7d", "--", "P"),
)
"""Five from dark to light, and a grey for what stands apart."""


def category(index: int) -> Look:
    """Return the look of series `index` among things without an order."""
    return Look(_COLOURS[index % len(_COLOURS)], _LINES[index % len(_LINES)], _MARKERS[index % len(_MARKERS)])


def grade(index: int) -> Look:
    """Return the look of series `index` among the values of one quantity."""
    return GRADES[index % len(GRADES)]


def require_matplotlib() -> Any:
    """Return matplotlib; ImportError that says how to get it if it is missing."""
    try:
        import matplotlib.backends.backend_agg
        import matplotlib.figure
    except ImportError as error:
        raise ImportError("figures need matplotlib: pip install 'minirmae[plot]'") from error
    return matplotlib


def new_figure(width: float, height: float, *, dpi: int = 160, layout: str | None = "constrained") -> Any:
    """Return a white matplotlib Figure of `width` by `height` inches that can measure its own text.

    Raises ImportError if matplotlib is missing.
    """
    matplotlib = require_matplotlib()
    figure = matplotlib.figure.Figure(figsize=(width, height), dpi=dpi, layout=layout, facecolor="white")
    matplotlib.backends.backend_agg.FigureCanvasAgg(figure)
    return figure


def dress(axes: Any, horizontal: str, vertical: str) -> None:
    """Name the axes and take away what carries no data."""
    axes.set_xlabel(horizontal, color=INK)
    axes.set_ylabel(vertical, color=INK)
    axes.tick_params(which="both", colors=INK, labelsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.grid(True, color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)


def title(axes: Any, text: str, size: float = 10.5) -> None:
    """Write a title above the left end of the axes."""
    axes.set_title(text, loc="left", size=size, color=INK, pad=8)


def save_figure(figure: Any, path: str | os.PathLike[str]) -> None:
    """Write `figure` to `path` (.png, .svg or .pdf) at its own resolution, whole or not at all.

    The same figure gives the same bytes: no date, version or random id is written.

    Raises ValueError for another ending, OSError if the file cannot be written.
    """
    matplotlib = require_matplotlib()
    ending = Path(path).suffix[1:].lower()
    require_choice("save_figure", "the ending of the file name", ending, tuple(_METADATA))
    with matplotlib.rc_context({"svg.hashsalt": "minirmae"}), atomic_write(path) as file:
        figure.savefig(file, format=ending, dpi="figure", metadata=_METADATA[ending])
