"""The figures of the theory: prediction as lines, measurement as points, in the style of `report.style`.

Curve number i of a panel is drawn as `style.grade(i)`, its measurement too.
"""

from __future__ import annotations

from typing import Any

from minirmae.report import style


def new_figure(title: str, *panels: tuple[str, str, str]) -> tuple[Any, list[Any]]:
    """Return a matplotlib Figure and its axes, side by side.

    Args:
        title: says what to see.
        panels: for each panel its own title, the label of x and the label of y, units included.

    Raises ImportError if matplotlib is missing.
    """
    figure = style.new_figure(5.2 * len(panels) + 0.3, 3.9, dpi=110)
    figure.suptitle(title, fontsize=11, color=style.INK)
    axes = [figure.add_subplot(1, len(panels), i + 1) for i in range(len(panels))]
    for axis, (panel, x, y) in zip(axes, panels, strict=True):
        style.title(axis, panel, size=10)
        style.dress(axis, x, y)
    return figure, axes


def prediction(axis: Any, index: int, x: Any, y: Any, label: str | None = None) -> None:
    """Draw a predicted curve as a line in the style of curve number `index`."""
    colour, line, _ = style.grade(index)
    axis.plot(x, y, color=colour, linestyle=line, linewidth=1.4, label=label)


def measurement(axis: Any, index: int, x: Any, y: Any, label: str | None = None) -> None:
    """Draw measured values as open points in the style of curve number `index`."""
    colour, _, marker = style.grade(index)
    axis.plot(x, y, color=colour, linestyle="", marker=marker, markersize=4.5, markerfacecolor="white", label=label)


def legend(axis: Any, place: str | tuple[float, float] = "best") -> None:
    """Add a small legend without a frame, at a matplotlib `loc`."""
    axis.legend(frameon=False, fontsize=8, loc=place, handlelength=2.6)
