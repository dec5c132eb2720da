"""One page of a comparison: report.md with its figures, and comparison.json with every number."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minirmae import __version__
from minirmae.arrays import Array
from minirmae.comparison import columns
from minirmae.comparison.columns import Column, Record
from minirmae.comparison.figures import KINDS, map_figure, picture_grid
from minirmae.comparison.paths import Paths
from minirmae.comparison.plan import Plan
from minirmae.files import write_text
from minirmae.report import plots
from minirmae.report.page import Table

_HOW = {
    "Training": "Mean squared error of reconstructed test images, times 1000; eigenvalues of the covariance of their "
    "codes above 0.001 of the largest, and the effective rank, a smooth version of the same count; the "
    "trustworthiness of the map below; seconds of training by one process with one thread, others running beside it.",
    "Pictures": "Frechet distance, smaller is closer, of features of decoded codes to those of test images: "
    "reconstructions, samples from a mixture of 4 Gaussians, samples from one. Training images themselves are at "
    "{real}. Roughness, 0 to 4, of the path between two images: small is even, not necessarily good.",
    "Labels": "Percent of test images classified correctly from frozen codes and that number of labels, by the paper's "
    "small network and by a linear map.",
}


def write_page(plan: Plan, paths: Paths, diverged: Mapping[str, str]) -> dict[str, Any]:
    """Write the page of all measures taken so far, and return what comparison.json holds.

    Args:
        diverged: reasons of the runs that have no measures, by "METHOD seed S".
    """
    records = {
        method: [
            found
            for seed in range(plan.seeds)
            if f"{method} seed {seed}" not in diverged and (found := paths.read_measures(method, seed)) is not None
        ]
        for method in plan.methods
    }
    measured = {method: rows for method, rows in records.items() if rows}
    tables = {
        "Training": columns.training_columns(),
        "Pictures": columns.picture_columns(),
        "Labels": columns.label_columns(plan.labels),
    }
    result = {
        "version": __version__,
        "plan": plan.to_json(),
        "diverged": dict(diverged),
        "summary": {
            method: {c.name: c.summary(rows) for part in tables.values() for c in part}
            for method, rows in measured.items()
        },
        "runs": [record for rows in measured.values() for record in rows],
    }
    write_text(paths.out / "comparison.json", json.dumps(result, indent=1, allow_nan=False) + "\n")
    figures = _figures(paths, measured) if measured else {}
    write_text(paths.out / "report.md", _text(plan, measured, tables, diverged, figures))
    return result


def summary_table(plan: Plan, result: Mapping[str, Any]) -> str:
    """The tables of `write_page`'s result as plain text for a terminal, as one table."""
    by_method: dict[str, list[Record]] = {}
    for record in result["runs"]:
        by_method.setdefault(record["method"], []).append(record)
    every = [*columns.training_columns(), *columns.picture_columns(), *columns.label_columns(plan.labels)]
    return _table(every, by_method).text() if by_method else "nothing was measured"


def _table(part: Sequence[Column], measured: Mapping[str, Sequence[Record]]) -> Table:
    """Methods by columns, without the columns that are empty."""
    kept = [c for c in part if any(c.summary(rows) for rows in measured.values())]
    rows = [[rows[0]["label"], *(c.cell(rows) for c in kept)] for rows in measured.values()]
    return Table(["method", *(c.heading for c in kept)], rows)


def _text(
    plan: Plan,
    measured: Mapping[str, Sequence[Record]],
    tables: Mapping[str, Sequence[Column]],
    diverged: Mapping[str, str],
    figures: Mapping[str, str],
) -> str:
    length = f"{plan.steps:,} steps" if plan.steps is not None else f"{plan.epochs} epoch" + "s" * (plan.epochs != 1)
    seeds = "one seed" if plan.seeds == 1 else f"{plan.seeds} seeds (mean ± standard deviation)"
    runs = [record for rows in measured.values() for record in rows]
    real = "-" if not runs else f"{np.mean([record['frechet']['real'] for record in runs]):.3g}"
    parts = [
        f"# {len(plan.methods)} methods on {_source(plan)}",
        f"Each was trained for {length} in batches of {plan.batch_size} images, {seeds}, on the same images in the "
        f"same order; architecture {plan.preset}. Made by minirmae {__version__}; docs/comparison.md explains "
        "the columns.",
    ]
    for title, part in tables.items():
        table = _table(part, measured)
        if len(table.columns) > 1:
            parts += [f"## {title}", _HOW[title].format(real=real), table.markdown()]
    parts += ["## Settings", "Budget apart, each method has its own paper's.", _settings(plan, measured).markdown()]
    if diverged:
        parts += ["## Diverged", "\n".join(f"- {name}: {reason}" for name, reason in diverged.items())]
    notes = [f"- {r['label']}, seed {r['seed']}: {line}" for r in runs for line in r["notes"]]
    if notes:
        parts += ["## Not measured", "\n".join(notes)]
    for name, title in figures.items():
        parts += [f"## {title}", f"![{title}]({name}.png)"]
    return "\n\n".join(parts) + "\n"


def _source(plan: Plan) -> str:
    """The name of the data; of a path, its last part."""
    return plan.data.rstrip("/").rsplit("/", 1)[-1]


def _settings(plan: Plan, measured: Mapping[str, Sequence[Record]]) -> Table:
    rows = []
    for method, records in measured.items():
        config = plan.config(method, 0)
        own = ", ".join(f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
                        for name, value in config.settings.items())  # fmt: skip
        rate = f"{config.learning_rate:g}"
        rows.append([records[0]["label"], config.optimizer, rate, f"{records[0]['parameters']:,}", own or "-"])
    return Table(["method", "optimiser", "learning rate", "parameters", "settings"], rows)


def _figures(paths: Paths, measured: Mapping[str, Sequence[Record]]) -> dict[str, str]:
    """Draw and save the figures of each method's first seed; return their names and titles."""
    first = {rows[0]["label"]: rows[0] for rows in measured.values()}
    pictures: dict[str, dict[str, Array]] = {}
    for label, record in first.items():
        with np.load(paths.pictures(record["method"], record["seed"])) as arrays:
            pictures[label] = {name: arrays[name] for name in arrays.files}
    drawn = {"spectra": plots.spectrum_figure({label: record["eigenvalues"] for label, record in first.items()})}
    titles = {"spectra": "Eigenvalues of the covariance of the codes"}
    for kind, title in KINDS.items():
        figure = picture_grid(kind, pictures)
        if figure is not None:
            drawn[kind], titles[kind] = figure, title
    maps = {
        label: (arrays["map"], arrays.get("map_labels"), first[label]["trustworthiness"])
        for label, arrays in pictures.items()
        if "map" in arrays
    }
    if maps:
        drawn["maps"], titles["maps"] = (
            map_figure(maps),
            "Codes of test images, mapped by t-SNE, with the map's trustworthiness",
        )
    for name, figure in drawn.items():
        plots.save_figure(figure, paths.out / f"{name}.png")
    return titles
