"""Methods side by side: trained with one budget, measured alike, shown on one page.

`compare(plan, out, reporter=...)` is `minirmae compare`. Every task of the work
leaves files below `out`, so a comparison resumes where it stopped.

    plan        what to compare: methods, budget, what is measured
    compare     check everything, run the tasks that are missing, write the page
    paths       where everything lies below `out`
    pool        tasks side by side, each in a process of its own
    worker      one task: train, measure, or make the features
    reporter    what a person sees meanwhile
    features    features of images, in which the Frechet distance is taken
    measures    everything that is measured of one run
    columns     the columns of the tables
    figures     the figures
    page        report.md and comparison.json
"""

from __future__ import annotations

from minirmae.comparison.compare import Comparison, compare
from minirmae.comparison.page import summary_table
from minirmae.comparison.plan import METHODS, Plan
from minirmae.comparison.pool import TaskError
from minirmae.comparison.reporter import Reporter, TerminalReporter

__all__ = ["METHODS", "Comparison", "Plan", "Reporter", "TaskError", "TerminalReporter", "compare", "summary_table"]
