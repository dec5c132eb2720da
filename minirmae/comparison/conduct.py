"""The front door of a comparison: check everything, do the pieces that are missing, write the page.

Every piece is a file or a run directory. A comparison that was stopped, or
that is asked for one more method or seed, does what is not there yet.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minirmae.comparison.features import classes
from minirmae.comparison.page import write_page
from minirmae.comparison.places import Places
from minirmae.comparison.plan import Plan
from minirmae.comparison.workers import Board, Piece, run_all
from minirmae.report import plots
from minirmae.runs import RunError, TrainingConfig, make_model, open_run, total_steps
from minirmae.runs.lock import locked
from minirmae.runs.run import is_run
from minirmae.validation import require_positive_int

_FEATURES = "features"


@dataclass(frozen=True)
class Comparison:
    """What a comparison has found: the page, and what comparison.json holds."""

    page: Path
    result: dict[str, Any]


def compare(plan: Plan, out: str | os.PathLike[str], *, jobs: int = 1, board: Board) -> Comparison:
    """Carry out `plan` in the directory `out`, new, empty or where it was begun.

    Args:
        jobs: processes side by side, each with one BLAS thread; no result but the seconds depends on it.
        board: reports to a person.

    Raises:
        ValueError, TypeError or ImportError: something that cannot work; nothing has been trained.
        WorkError: a piece failed; everything finished is kept.
        TrainingInterrupted: SIGINT or SIGTERM arrived; likewise.
    """
    require_positive_int("compare", jobs=jobs)
    plots.require_matplotlib()
    places = Places(Path(out))
    places.require_usable()
    training, _ = plan.images(seed=0)
    totals = {}
    for method in plan.methods:
        config = plan.config(method, 0)
        make_model(config)
        totals[method] = total_steps(config, len(training))
    for method, seed in plan.runs():
        _steps_taken(places.run(method, seed), plan.config(method, seed), totals[method])
    features_made = _features_made(plan, places, classes(training))
    places.out.mkdir(parents=True, exist_ok=True)
    with locked(places.out):
        places.write_plan(plan)
        pieces = [
            piece for method, seed in plan.runs() for piece in _missing(plan, places, method, seed, totals[method])
        ]
        # Trainings first: a comparison that is stopped early then has something to go on with for every method.
        pieces.sort(key=lambda piece: bool(piece.needs))
        if pieces and not features_made:
            pieces.insert(0, Piece(_FEATURES, (_FEATURES,)))
        diverged = run_all(pieces, places.out, jobs, board)
        return Comparison(places.out / "report.md", write_page(plan, places, diverged))


def _features_made(plan: Plan, places: Places, count: int | None) -> bool:
    """Whether the features are there, for so many classes; raises RunError if their classifier is another."""
    if count is None:
        return places.components.exists()
    taken = _steps_taken(places.classifier, plan.classifier_config(count), plan.classifier_steps)
    return taken == plan.classifier_steps


def _missing(plan: Plan, places: Places, method: str, seed: int, total: int) -> list[Piece]:
    """What is still to be done for one run."""
    name, arguments = f"{method} seed {seed}", (method, str(seed))
    trained = _steps_taken(places.run(method, seed), plan.config(method, seed), total) == total
    measures = places.read_measures(method, seed)
    if trained and measures and measures["measured"] == plan.measured() and measures["step"] == total:
        return []
    measuring = Piece(f"{name}, measures", ("measure", *arguments), (_FEATURES, name))
    return [measuring] if trained else [Piece(name, ("train", *arguments)), measuring]


def _steps_taken(directory: Path, config: TrainingConfig, total: int) -> int:
    """How far a run is; raises RunError unless what is there can go on to `total` steps as `config` says."""
    if not is_run(directory):
        return 0
    run = open_run(directory)
    try:
        config.require_continues(run.config.to_json())
    except ValueError as error:
        raise RunError(f"{directory}: {error}") from error
    step = run.checkpoint().step if run.checkpoint_path.exists() else 0
    if step > total:
        raise RunError(
            f"{directory}: has taken {step} steps, more than {total}; ask for more, or compare in another directory"
        )
    return step
