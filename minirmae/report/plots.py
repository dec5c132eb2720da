"""The figures: spectra, ranks and losses over training, grids of images.

Every function returns a matplotlib `Figure` of its own: pyplot and its global
state are never touched, no window opens and no display is needed. Series
differ in colour (Okabe and Ito's palette, safe for colour-blind readers, with a
brown and a grey beside it), in marker and in line style, so that a figure
survives a grey printer; no two of the first 45 look the same. matplotlib is imported by the first call.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minirmae.arrays import Array
from minirmae.files import atomic_write
from minirmae.measures.rank import THRESHOLDS, numerical_rank
from minirmae.validation import require_choice, require_float, require_ndim, require_shape

_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000", "#8C564B", "#999999")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", "h")
_LINES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (5, 1.5, 1, 1.5)), (0, (1, 1.2)), (0, (9, 2)))
_INK, _FAINT = "#303030", "#8c8c8c"
_DPI = 160
_METADATA: dict[str, dict[str, None]] = {  # drop what would differ between two runs
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def spectrum_figure(
    spectra: Mapping[str, Any], *, thresholds: Sequence[float] = THRESHOLDS, logarithmic: bool = True
) -> Any:
    """Draw covariance spectra, each divided by its largest value, for comparison.

    `spectra` maps a label to eigenvalues (n,), as `covariance_spectrum` returns
    them. The left panel has the axis of the paper (Jing, Zbontar and LeCun
    2020): linear, cut at 0.4. The right panel, left out if not `logarithmic`,
    reaches down to 1e-6 and has a line at each of `thresholds`. The legend
    gives the numerical rank at each: how many values lie above that line.

    Raises ValueError if `spectra` is empty or holds what is not a spectrum.
    """
    _require_series("spectrum_figure", "spectra", spectra)
    figure = _new_figure(10.8 if logarithmic else 6.4, max(3.9, 0.7 + 0.45 * len(spectra)))
    panels = figure.subplots(1, 2 if logarithmic else 1, squeeze=False)[0]
    counts = []
    for index, (label, spectrum) in enumerate(spectra.items()):
        ranks = [numerical_rank(spectrum, threshold) for threshold in thresholds]
        counts.append(f"{label}\n{' / '.join(map(str, ranks))}")
        values = np.sort(np.asarray(spectrum, dtype=np.float64))[::-1]
        # A zero has no logarithm: put far below the axis, it lets the line fall out of the panel.
        relative = np.maximum(values / (values[0] or 1.0), 1e-30)
        for axes in panels:
            axes.plot(np.arange(1, len(values) + 1), relative, label=label, **_style(index, len(values), 40))
    for axes in panels:
        _dress(axes, "eigenvalue number, largest first", "eigenvalue / largest eigenvalue")
        axes.set_xlim(left=0.5)
        axes.xaxis.get_major_locator().set_params(integer=True, steps=[1, 2, 5, 10])
    panels[0].set_ylim(-0.006, 0.4)
    _title(panels[0], "Linear, cut at 0.4: values that stand out from zero")
    if logarithmic:
        panels[1].set(yscale="log", ylim=(1e-6, 2))
        _title(panels[1], "Logarithmic: an early, steep fall is a low rank")
        for threshold in thresholds:
            panels[1].axhline(threshold, color=_FAINT, linewidth=0.9, linestyle=(0, (2, 2)), zorder=1)
    figure.legend(
        panels[0].lines,
        counts,
        title="values above\n" + " / ".join(f"{threshold:g}" for threshold in thresholds),
        loc="outside right upper",
        alignment="left",
        frameon=False,
        labelspacing=0.8,
    )
    return figure


def rank_over_steps_figure(
    histories: Mapping[str, tuple[Any, Any]],
    *,
    measure: str = "numerical rank of the codes",
    title: str = "Rank while training: a lower line uses fewer directions",
) -> Any:
    """Draw (steps, ranks) for each label; `measure` names the vertical axis, so put the threshold in it.

    Raises ValueError if `histories` is empty or a pair has unequal lengths.
    """
    axes = _history_axes("rank_over_steps_figure", histories, measure, title)
    axes.set_ylim(bottom=0)
    axes.yaxis.get_major_locator().set_params(integer=True)
    return axes.figure


def loss_figure(
    histories: Mapping[str, tuple[Any, Any]],
    *,
    measure: str = "mean squared error",
    title: str = "Loss while training: a lower line reconstructs better",
) -> Any:
    """Draw (steps, losses) for each label on a logarithmic axis; `measure` names it.

    Raises ValueError if `histories` is empty or a pair has unequal lengths.
    """
    axes = _history_axes("loss_figure", histories, measure, title)
    axes.set_yscale("log")
    return axes.figure


def image_grid(images: Array, *, row_labels: Sequence[str] | None = None, title: str | None = None) -> Any:
    """Draw `images` (rows, columns, H, W, C), C = 1 (grey) or 3, side by side on white.

    Values are clipped to [0, 1]. Saved by `save_figure`, every image pixel
    becomes the same whole number of figure pixels.

    Raises TypeError unless the images are floats; ValueError for another
    shape, a NaN or infinity, or a number of `row_labels` other than rows.
    """
    where = "image_grid"
    require_float(where, images=images)
    require_ndim(where, "images", images, 5, "(rows, columns, H, W, C)")
    rows, columns, height, width, channels = images.shape
    require_choice(where, "the number of channels", channels, (1, 3))
    if images.size == 0 or not np.isfinite(images).all():
        raise ValueError(f"{where}: images must be finite and not empty, got shape {images.shape}")
    labels = [""] * rows if row_labels is None else list(row_labels)
    if len(labels) != rows:
        raise ValueError(f"{where}: row_labels must hold {rows} labels, one for each row; got {len(labels)}")

    gap = max(1, width // 24)
    framed = np.pad(np.clip(images, 0, 1), ((0, 0), (0, 0), (0, gap), (0, gap), (0, 0)), constant_values=1)
    mosaic = framed.swapaxes(1, 2).reshape(rows * (height + gap), columns * (width + gap), channels)[:-gap, :-gap]

    zoom = max(1, round(96 / width))
    figure = _new_figure(1, 1, layout=None)
    words = [figure.text(0, 0, text, color=_INK, size=9, ha="right", va="center") for text in labels]
    margin = 16
    label_width = max(int(word.get_window_extent().width) for word in words)
    left = margin + (label_width + 12 if label_width else 0)
    top = margin + (36 if title else 0)
    inner_height, inner_width = mosaic.shape[0] * zoom, mosaic.shape[1] * zoom
    full_height, full_width = top + inner_height + margin, left + inner_width + margin
    figure.set_size_inches(full_width / _DPI, full_height / _DPI)
    place = (left / full_width, margin / full_height, inner_width / full_width, inner_height / full_height)
    axes = figure.add_axes(place, frame_on=False, xticks=[], yticks=[])
    axes.imshow(np.broadcast_to(mosaic, (*mosaic.shape[:2], 3)), interpolation="nearest", aspect="auto")
    for row, word in enumerate(words):
        middle = top + (row * (height + gap) + height / 2) * zoom
        word.set_position(((left - 12) / full_width, 1 - middle / full_height))
    _title(axes, title or "")
    return figure


def pairs_figure(originals: Array, reconstructions: Array, *, title: str | None = None) -> Any:
    """Draw each of `originals` (N, H, W, C) above its reconstruction, of the same shape and dtype.

    Raises what `image_grid` raises, and ValueError for shapes that differ.
    """
    require_float("pairs_figure", originals=originals, reconstructions=reconstructions)
    require_shape("pairs_figure", "reconstructions", reconstructions, originals.shape)
    return image_grid(np.stack([originals, reconstructions]), row_labels=["original", "reconstruction"], title=title)


def save_figure(figure: Any, path: str | os.PathLike[str]) -> None:
    """Write `figure` to `path` (.png, .svg or .pdf), whole or not at all.

    The same figure gives the same bytes: no date, version or random id is written.

    Raises ValueError for another ending, OSError if the file cannot be written.
    """
    matplotlib = require_matplotlib()
    ending = Path(path).suffix[1:].lower()
    require_choice("save_figure", "the ending of the file name", ending, tuple(_METADATA))
    with matplotlib.rc_context({"svg.hashsalt": "minirmae"}), atomic_write(path) as file:
        figure.savefig(file, format=ending, dpi=_DPI, metadata=_METADATA[ending])


def require_matplotlib() -> Any:
    """Return matplotlib; ImportError that says how to get it if it is missing."""
    try:
        import matplotlib.backends.backend_agg
        import matplotlib.figure
    except ImportError as error:
        raise ImportError("figures need matplotlib: pip install 'minirmae[plot]'") from error
    return matplotlib


def _new_figure(width: float, height: float, layout: str | None = "constrained") -> Any:
    """Return a Figure of `width` by `height` inches that can measure its own text."""
    matplotlib = require_matplotlib()
    figure = matplotlib.figure.Figure(figsize=(width, height), dpi=_DPI, layout=layout, facecolor="white")
    matplotlib.backends.backend_agg.FigureCanvasAgg(figure)
    return figure


def _history_axes(where: str, histories: Mapping[str, tuple[Any, Any]], measure: str, title: str) -> Any:
    """Return the axes of a new figure with one line for each (steps, values)."""
    _require_series(where, "histories", histories)
    axes = _new_figure(6.0, 3.8).subplots()
    for index, (label, (steps, values)) in enumerate(histories.items()):
        if np.ndim(steps) != 1 or np.shape(steps) != np.shape(values) or len(steps) == 0:
            raise ValueError(
                f"{where}: {label!r} must hold as many values as steps, at least one, "
                f"got shapes {np.shape(steps)} and {np.shape(values)}"
            )
        axes.plot(steps, values, label=label, **_style(index, len(steps), 12))
    _dress(axes, "training steps", measure)
    axes.margins(x=0.02)
    _title(axes, title)
    axes.legend(frameon=False)
    return axes


def _require_series(where: str, name: str, series: Mapping[str, Any]) -> None:
    if not isinstance(series, Mapping) or not series:
        raise ValueError(f"{where}: {name} must be a mapping of at least one label to its data, got {series!r}")


def _style(index: int, points: int, markers: int) -> dict[str, Any]:
    """Return the look of series `index`, with at most `markers` markers on its `points` points."""
    return {
        "color": _COLOURS[index % len(_COLOURS)],
        "marker": _MARKERS[index % len(_MARKERS)],
        "linestyle": _LINES[index % len(_LINES)],
        "markevery": -(-points // markers),
        "linewidth": 1.6,
        "markersize": 5,
        "markeredgecolor": "white",
        "markeredgewidth": 0.6,
    }


def _dress(axes: Any, horizontal: str, vertical: str) -> None:
    """Name the axes and take away what carries no data."""
    axes.set_xlabel(horizontal, color=_INK)
    axes.set_ylabel(vertical, color=_INK)
    axes.tick_params(which="both", colors=_INK, labelsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_FAINT)
    axes.grid(True, color="#e6e6e6", linewidth=0.7)
    axes.set_axisbelow(True)


def _title(axes: Any, text: str) -> None:
    axes.set_title(text, loc="left", size=10.5, color=_INK, pad=8)
