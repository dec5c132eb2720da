"""The suite: every op, loss, layer and preset of this library under the checker, and every engine that is installed.

The cases are listed in `cases.py` and `engine_cases.py`. A test asks the library for its public ops, layers and
presets, and fails if one has no case.
"""

from __future__ import annotations

from collections.abc import Sequence

from minirmae.engine import installed
from minirmae.gradcheck.case import Case
from minirmae.gradcheck.cases import LAYERS, OPS, PRESETS
from minirmae.gradcheck.engine_cases import engine_cases, engine_presets
from minirmae.gradcheck.report import Report


def run_suite(
    select: str | Sequence[str] | None = None, seed: int = 0, presets: bool = True, device: str = "cpu"
) -> list[Report]:
    """Check the library; one report for each case.

    Args:
        select: names of cases, of the ops, layers and presets that they cover, or "reference" or "cpu engine";
            None takes all.
        seed: of the points, directions and cotangents.
        presets: whether to include the whole autoencoders, which take most of the time.
        device: another device, such as "cuda", whose results are compared too.

    Raises:
        ValueError: a selected name is unknown, or a device cannot be used.

    >>> [report.name for report in run_suite("relu")]
    ['relu']
    >>> all(report.passed for report in run_suite(["linear", "Linear"]))
    True
    """
    return [case.run(seed, device) for case in selected(select, presets)]


def selected(select: str | Sequence[str] | None = None, presets: bool = True) -> list[Case]:
    """The cases that `run_suite` runs for these arguments, in order."""
    cases = [*OPS, *LAYERS, *(PRESETS if presets else [])]
    if installed():
        cases += [*engine_cases(), *(engine_presets() if presets else [])]
    if select is None:
        return cases
    names = [select] if isinstance(select, str) else list(select)
    known = {known for case in cases for known in (case.name, case.covers, case.engine)}
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"gradcheck: no case called {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    return [case for case in cases if {case.name, case.covers, case.engine} & set(names)]
