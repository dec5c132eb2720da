"""Comparing methods: check everything, run the tasks that are missing, write the page.

The result of every task is a file or a run directory. A comparison that was
stopped, or that is asked for one more method or seed, does what is missing.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minirmae.comparison.features import classes
from minirmae.comparison.page import write_page
from minirmae.comparison.paths import Paths
from minirmae.comparison.plan import Plan
from minirmae.comparison.pool import Task, run_tasks
from minirmae.comparison.reporter import Reporter
from minirmae.report import plots
from minirmae.runs import RunError, TrainingConfig, make_model, open_run, total_steps
from minirmae.runs.directory import is_run
from minirmae.runs.signals import locked
from minirmae.validation import require_positive_int

_FEATURES = "features"


@dataclass(frozen=True)
class Comparison:
    """What a comparison has found: the page, and what comparison.json holds."""

    page: Path
    result: dict[str, Any]


def compare(plan: Plan, out: str | os.PathLike[str], *, jobs: int = 1, reporter: Reporter) -> Comparison:
    """Carry out `plan` in the directory `out`: a new or empty one, or that of a comparison to resume.

    Args:
        jobs: processes side by side, each with one BLAS thread; only the seconds depend on it.
        reporter: tells a person where the tasks stand.

    Raises:
        ValueError, TypeError or ImportError: something cannot work; nothing has been trained.
        TaskError: a task failed; everything finished is kept.
        TrainingInterrupted: SIGINT or SIGTERM arrived; likewise.
    """
    require_positive_int("compare", jobs=jobs)
    plots.require_matplotlib()
    paths = Paths(Path(out))
    paths.require_usable()
    training, _ = plan.images(seed=0)
    totals = {}
    for method in plan.methods:
        config = plan.config(method, 0)
        make_model(config)
        totals[method] = total_steps(config, len(training))
    for method, seed in plan.runs():
        _steps_taken(paths.run(method, seed), plan.config(method, seed), totals[method])
    features_made = _features_made(plan, paths, classes(training))
    paths.out.mkdir(parents=True, exist_ok=True)
    with locked(paths.out):
        paths.write_plan(plan)
        tasks = [task for method, seed in plan.runs() for task in _missing(plan, paths, method, seed, totals[method])]
        # Trainings first: a comparison that is stopped early has then begun with every method.
        tasks.sort(key=lambda task: bool(task.needs))
        if tasks and not features_made:
            tasks.insert(0, Task(_FEATURES, (_FEATURES,)))
        diverged = run_tasks(tasks, paths.out, jobs, reporter)
        return Comparison(paths.out / "report.md", write_page(plan, paths, diverged))


def _features_made(plan: Plan, paths: Paths, count: int | None) -> bool:
    """Whether the features are there, for `count` classes; raises RunError if their classifier is another."""
    if count is None:
        return paths.components.exists()
    taken = _steps_taken(paths.classifier, plan.classifier_config(count), plan.classifier_steps)
    return taken == plan.classifier_steps


def _missing(plan: Plan, paths: Paths, method: str, seed: int, total: int) -> list[Task]:
    """Return the tasks that are still to be done for one run."""
    name, arguments = f"{method} seed {seed}", (method, str(seed))
    trained = _steps_taken(paths.run(method, seed), plan.config(method, seed), total) == total
    measures = paths.read_measures(method, seed)
    if trained and measures and measures["measured"] == plan.measured() and measures["step"] == total:
        return []
    measuring = Task(f"{name}, measures", ("measure", *arguments), (_FEATURES, name))
    return [measuring] if trained else [Task(name, ("train", *arguments)), measuring]


def _steps_taken(directory: Path, config: TrainingConfig, total: int) -> int:
    """Return the number of steps a run has taken; RunError unless it can go on to `total` steps as `config` says."""
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
