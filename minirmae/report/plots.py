"""The figures: spectra, ranks and losses over training, grids of images.

Every function returns a matplotlib `Figure` of its own, in the style of
`report.style`; `save_figure` writes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minirmae.arrays import Array
from minirmae.measures.rank import THRESHOLDS, numerical_rank
from minirmae.report import style
from minirmae.report.style import require_matplotlib, save_figure
from minirmae.validation import require_choice, require_float, require_ndim, require_shape

__all__ = [
    "image_grid",
    "loss_figure",
    "pairs_figure",
    "rank_over_steps_figure",
    "require_matplotlib",
    "save_figure",
    "spectrum_figure",
]


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
    figure = style.new_figure(10.8 if logarithmic else 6.4, max(3.9, 0.7 + 0.45 * len(spectra)))
    panels = figure.subplots(1, 2 if logarithmic else 1, squeeze=False)[0]
    counts = []
    for index, (label, spectrum) in enumerate(spectra.items()):
        ranks = [numerical_rank(spectrum, threshold) for threshold in thresholds]
        counts.append(f"{label}\n{' / '.join(map(str, ranks))}")
        values = np.sort(np.asarray(spectrum, dtype=np.float64))[::-1]
        # A zero has no logarithm: put far below the axis, it lets the line fall out of the panel.
        relative = np.maximum(values / (values[0] or 1.0), 1e-30)
        for axes in panels:
            axes.plot(np.arange(1, len(values) + 1), relative, label=label, **_series(index, len(values), 40))
    for axes in panels:
        style.dress(axes, "eigenvalue number, largest first", "eigenvalue / largest eigenvalue")
        axes.set_xlim(left=0.5)
        axes.xaxis.get_major_locator().set_params(integer=True, steps=[1, 2, 5, 10])
    panels[0].set_ylim(-0.006, 0.4)
    style.title(panels[0], "Linear, cut at 0.4: values that stand out from zero")
    if logarithmic:
        panels[1].set(yscale="log", ylim=(1e-6, 2))
        style.title(panels[1], "Logarithmic: an early, steep fall is a low rank")
        for threshold in thresholds:
            panels[1].axhline(threshold, color=style.FAINT, linewidth=0.9, linestyle=(0, (2, 2)), zorder=1)
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
    figure = style.new_figure(1, 1, layout=None)
    words = [figure.text(0, 0, text, color=style.INK, size=9, ha="right", va="center") for text in labels]
    margin = 16
    label_width = max(int(word.get_window_extent().width) for word in words)
    left = margin + (label_width + 12 if label_width else 0)
    top = margin + (36 if title else 0)
    inner_height, inner_width = mosaic.shape[0] * zoom, mosaic.shape[1] * zoom
    full_height, full_width = top + inner_height + margin, left + inner_width + margin
    figure.set_size_inches(full_width / figure.dpi, full_height / figure.dpi)
    place = (left / full_width, margin / full_height, inner_width / full_width, inner_height / full_height)
    axes = figure.add_axes(place, frame_on=False, xticks=[], yticks=[])
    axes.imshow(np.broadcast_to(mosaic, (*mosaic.shape[:2], 3)), interpolation="nearest", aspect="auto")
    for row, word in enumerate(words):
        middle = top + (row * (height + gap) + height / 2) * zoom
        word.set_position(((left - 12) / full_width, 1 - middle / full_height))
    style.title(axes, title or "")
    return figure


def pairs_figure(originals: Array, reconstructions: Array, *, title: str | None = None) -> Any:
    """Draw each of `originals` (N, H, W, C) above its reconstruction, of the same shape and dtype.

    Raises what `image_grid` raises, and ValueError for shapes that differ.
    """
    require_float("pairs_figure", originals=originals, reconstructions=reconstructions)
    require_shape("pairs_figure", "reconstructions", reconstructions, originals.shape)
    return image_grid(np.stack([originals, reconstructions]), row_labels=["original", "reconstruction"], title=title)


def _history_axes(where: str, histories: Mapping[str, tuple[Any, Any]], measure: str, title: str) -> Any:
    """Return the axes of a new figure with one line for each (steps, values)."""
    _require_series(where, "histories", histories)
    axes = style.new_figure(6.0, 3.8).subplots()
    for index, (label, (steps, values)) in enumerate(histories.items()):
        if np.ndim(steps) != 1 or np.shape(steps) != np.shape(values) or len(steps) == 0:
            raise ValueError(
                f"{where}: {label!r} must hold as many values as steps, at least one, "
                f"got shapes {np.shape(steps)} and {np.shape(values)}"
            )
        axes.plot(steps, values, label=label, **_series(index, len(steps), 12))
    style.dress(axes, "training steps", measure)
    axes.margins(x=0.02)
    style.title(axes, title)
    axes.legend(frameon=False)
    return axes


def _require_series(where: str, name: str, series: Mapping[str, Any]) -> None:
    if not isinstance(series, Mapping) or not series:
        raise ValueError(f"{where}: {name} must be a mapping of at least one label to its data, got {series!r}")


def _series(index: int, points: int, markers: int) -> dict[str, Any]:
    """Return the look of series `index`, with at most `markers` markers on its `points` points."""
    colour, line, marker = style.category(index)
    return {
        "color": colour,
        "marker": marker,
        "linestyle": line,
        "markevery": -(-points // markers),
        "linewidth": 1.6,
        "markersize": 5,
        "markeredgecolor": "white",
        "markeredgewidth": 0.6,
    }
