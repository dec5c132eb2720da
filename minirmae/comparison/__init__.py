"""Methods side by side: trained with one budget, measured alike, put on one page.

`compare(plan, out, board=...)` is `minirmae compare`; a `Plan` says what, and
every piece of the work is a file below `out`, so that a comparison goes on
where it stopped.
"""

from __future__ import annotations

from minirmae.comparison.board import TerminalBoard
from minirmae.comparison.conduct import Comparison, compare
from minirmae.comparison.page import summary_table
from minirmae.comparison.plan import METHODS, Plan
from minirmae.comparison.workers import Board, WorkError

__all__ = ["METHODS", "Board", "Comparison", "Plan", "TerminalBoard", "WorkError", "compare", "summary_table"]
