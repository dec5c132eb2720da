"""The demo: rank minimisation seen on one page.

Check every gradient, train a plain autoencoder and an IRMAE on the same images
with the same budget, and show the ranks of their codes. The two runs are ordinary
run directories, so a demo that was stopped resumes where it was.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minirmae import __version__
from minirmae.files import atomic_write, write_text
from minirmae.gradcheck import Report, check_model
from minirmae.gradcheck.suite import run_suite
from minirmae.measures.rank import THRESHOLD
from minirmae.models.autoencoder import PRESETS, ModelConfig, build
from minirmae.report import plots
from minirmae.report.analysis import Analysis, analyse, rank_table
from minirmae.report.gallery import picture
from minirmae.report.page import Section, Table, page
from minirmae.runs import Progress, TrainingConfig, train


@dataclass(frozen=True)
class Size:
    """How much the demo does: the training steps, and the numbers of images to train and to evaluate on."""

    steps: int
    training_images: int
    evaluation_images: int


FULL = Size(steps=1600, training_images=50_000, evaluation_images=2000)
QUICK = Size(steps=120, training_images=4000, evaluation_images=500)


@dataclass(frozen=True)
class Demo:
    """What the demo found: the gradient reports, both analyses (plain, IRMAE) and the page."""

    reports: Sequence[Report]
    analyses: Sequence[Analysis]
    page: Path


def demo(
    out: Path,
    *,
    size: Size = FULL,
    linear_layers: int = 4,
    seed: int = 0,
    engine: str = "fast",
    say: Callable[[str], None] = lambda text: None,
    progress: Callable[[str], Progress | None] = lambda label: None,
) -> Demo:
    """Run the demo into the directory `out` and return what it found.

    Args:
        out: directory of the two runs, the pictures and `report.html`.
        size: `FULL` or `QUICK`.
        linear_layers: l of the IRMAE.
        seed: of the images, the weights and the samples.
        engine: that trains, of `minirmae.engine.ENGINES`.
        say: called with one line at the start of each part.
        progress: makes the progress reporter of a training from its label.

    Raises:
        AssertionError: a gradient is wrong; nothing is trained with it.
        ImportError: matplotlib is missing.
        Whatever `minirmae.runs.train` raises.
    """
    plots.require_matplotlib()
    say("1/4  checking every hand-written gradient")
    configs = [ModelConfig.paper("shapes", linear_layers=layers) for layers in (0, linear_layers)]
    reports = [*run_suite(seed=seed, presets=False), *(_check_model(config, seed) for config in configs)]
    for report in reports:
        report.require()
    out.mkdir(parents=True, exist_ok=True)
    analyses = []
    for part, model in enumerate(configs, start=2):
        name = f"l{model.linear_layers}"
        say(f"{part}/4  training with {model.linear_layers} linear layers")
        config = TrainingConfig(
            model=model,
            steps=size.steps,
            training_images=size.training_images,
            evaluation_images=size.evaluation_images // 4,
            evaluate_every=max(size.steps // 20, 1),
            seed=seed,
            engine=engine,
        )
        run = train(config, out / name, resume=True, progress=progress(name))
        analyses.append(analyse(run, images=size.evaluation_images))
    say("4/4  drawing")
    figures = _figures(analyses, seed)
    for figure_name, (_, png) in figures.items():
        with atomic_write(out / f"{figure_name}.png") as file:
            file.write(png)
    table = rank_table([a.label for a in analyses], analyses)
    write_text(out / "table.txt", table.text() + "\n")
    write_text(out / "report.html", _page(reports, analyses, table, figures))
    return Demo(reports, analyses, out / "report.html")


def _check_model(config: ModelConfig, seed: int) -> Report:
    """Compare the gradient of the whole autoencoder with the complex step in a random direction."""
    rng = np.random.default_rng(seed)
    name = f"{config.preset} autoencoder, {config.linear_layers} linear layers"
    x = rng.random((2, *PRESETS[config.preset].image))
    return check_model(build(config, rng), x, seed=seed, name=name, rungs=("derivative",))


def _figures(analyses: Sequence[Analysis], seed: int) -> dict[str, tuple[str, bytes]]:
    """The demo's pictures: file name to (what it shows, PNG)."""
    spectra = {a.label: a.ranks.eigenvalues for a in analyses}
    drawn: dict[str, tuple[str, Any]] = {
        "spectra": ("eigenvalues of the covariance of the codes", plots.spectrum_figure(spectra)),
        "rank": ("rank over training steps", plots.rank_over_steps_figure(
            {a.label: _series(a, lambda r: r["numerical_ranks"][str(THRESHOLD)]) for a in analyses},
            measure=f"eigenvalues above {THRESHOLD:g} of the largest",
        )),
        "loss": ("evaluation loss over training steps", plots.loss_figure(
            {a.label: _series(a, lambda r: r["loss"]) for a in analyses},
            measure="mean squared error on images it was not trained on",
        )),
    }  # fmt: skip
    for a in analyses:
        name = f"l{a.run.config.model.linear_layers}"
        for kind in ("reconstruction", "interpolation"):
            drawn[f"{kind}-{name}"] = (f"{kind} of {a.label}", picture(a, kind, np.random.default_rng(seed)))
    return {name: (what, _png(figure)) for name, (what, figure) in drawn.items()}


def _series(a: Analysis, value: Callable[[dict[str, Any]], float]) -> tuple[list[int], list[float]]:
    records = a.run.history("evaluation")
    return [r["step"] for r in records], [value(r) for r in records]


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _page(
    reports: Sequence[Report], analyses: Sequence[Analysis], table: Table, figures: dict[str, tuple[str, bytes]]
) -> str:
    plain, irmae = (a.ranks.numerical_ranks[THRESHOLD] for a in analyses)
    n, steps, layers = analyses[0].ranks.latent, analyses[0].step, analyses[1].run.config.model.linear_layers
    worst = max(report.largest_error("derivative") for report in reports)
    verdict = (
        f"The plain autoencoder spreads its codes over {plain} of {n} directions. With {layers} linear layers in "
        f"between, and nothing else changed, {irmae} carry them."
        if irmae < plain
        else f"Here both use about as many directions ({plain} and {irmae} of {n}): train longer to see them differ."
    )
    sections = [
        Section(
            "How many directions the codes use",
            "The columns with > count the eigenvalues of the covariance of the codes above that fraction of the "
            "largest; effective and stable rank are smooth versions of the same count. The second row should be "
            "smaller, at a somewhat higher loss. The last two columns count, above 0.001, the codes before the linear "
            "layers and the squared singular values of the layers' product.",
            table=table,
            figures=[figures["spectra"]],
        ),
        Section(
            "While they train",
            "At first both lose the directions of their random initial weights. Then directions are learned: later and "
            "fewer with linear layers between encoder and decoder.",
            figures=[figures["rank"], figures["loss"]],
        ),
        Section(
            "What is left in the pictures",
            "Above: images that were not trained on; below: their reconstructions. After so short a training "
            "neither model has learned colours.",
            figures=[figures["reconstruction-l0"], figures[f"reconstruction-l{layers}"]],
        ),
        Section(
            "Between two codes",
            "Each row is a straight line from one code to another. Look at the middle of the rows: does one shape "
            "move, or does it fade into another?",
            figures=[figures["interpolation-l0"], figures[f"interpolation-l{layers}"]],
        ),
        Section(
            "Every gradient is written by hand, and checked",
            f"Before anything was trained, {len(reports)} ops, losses, layers and models were compared with numerical "
            f"derivatives; the largest relative error of a derivative was {worst:.1e}.",
        ),
    ]
    lead = f"{verdict} Both were trained for {steps:,} steps on the same images, with Adam and no penalty term."
    seed = analyses[0].run.config.seed
    footer = f"minirmae {__version__}, seed {seed}, {len(analyses[0].dataset):,} evaluation images of the shapes data."
    return page("Rank minimisation without a penalty", lead, sections, footer)
