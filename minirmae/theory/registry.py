"""The fifteen results, in the order in which they build up to the exact model of IRMAE.

Each entry is a module of the same name (`two-layer`, T1, is `theory/t01_two_layer.py`)
that offers two functions:

    check(seed=0, quick=False) -> list[Check]     every comparison; quick: one seed, the smallest size
    figure(seed=0) -> matplotlib Figure           prediction as lines, measurement as points

and, where the result holds for any number of layers, a `depth=None` in both.
Modules are imported when asked for.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType

from minirmae.theory.lab.result import Result
from minirmae.validation import require_choice, require_int


@dataclass(frozen=True)
class Entry:
    """One result.

    Attributes:
        name: as on the command line.
        title: what it says, in a few words.
        any_depth: whether the number of layers can be chosen.
    """

    name: str
    title: str
    any_depth: bool = False

    def module(self) -> ModuleType:
        """The module of this result, imported."""
        number = list(ENTRIES).index(self.name) + 1
        return importlib.import_module(f"minirmae.theory.t{number:02}_{self.name.replace('-', '_')}")


ENTRIES = {
    entry.name: entry
    for entry in (
        Entry("two-layer", "two layers, mode by mode"),
        Entry("deep-modes", "any depth, mode by mode", any_depth=True),
        Entry("full-matrix", "two layers, the whole matrix"),
        Entry("greedy", "modes are learned one after the other"),
        Entry("balancedness", "what training conserves", any_depth=True),
        Entry("end-to-end", "the product matrix and its singular values", any_depth=True),
        Entry("matrix-completion", "depth completes matrices better than the nuclear norm", any_depth=True),
        Entry("matrix-sensing", "the exact entropic limit"),
        Entry("norms-to-infinity", "rank falls while every norm grows", any_depth=True),
        Entry("linear-classifiers", "the margins that architectures maximise", any_depth=True),
        Entry("logistic", "the direction and the residual of logistic regression"),
        Entry("weight-decay", "decay is a Schatten quasi-norm", any_depth=True),
        Entry("linear-autoencoder", "IRMAE exactly solved", any_depth=True),
        Entry("hierarchical", "broad distinctions before fine ones"),
        Entry("step-size", "stability, the two-cycle, and Adam", any_depth=True),
    )
}
"""Name to entry, T1 to T15."""

Progress = Callable[[int, int, Entry, Result | None], None]
"""Called as `progress(index, count, entry, None)` before an entry and with its result after it."""


def run(
    names: Sequence[str] | None = None,
    seed: int = 0,
    depth: int | None = None,
    progress: Progress | None = None,
    *,
    quick: bool = False,
) -> list[Result]:
    """Check the results named, or all of them.

    Args:
        names: keys of `ENTRIES`; None checks all.
        seed: first seed; an entry uses this one and the next few.
        depth: number of layers N, for results that hold for any; None leaves the choice to each result.
        progress: called before and after each entry.
        quick: one seed and the smallest size of each.

    Raises ValueError if a name is unknown, the seed negative, or a result named has no depth to choose.

    >>> [result.passed for result in run(["two-layer"], quick=True)]
    [True]
    """
    for name in names or ():
        require_choice("theory", "name", name, ENTRIES)
    entries = [ENTRIES[name] for name in (ENTRIES if names is None else names)]
    require_int("theory", "seed", seed, 0)
    if depth is not None:
        require_int("theory", "depth", depth, 1)
        fixed = [entry.name for entry in entries if not entry.any_depth]
        if fixed:
            able = ", ".join(entry.name for entry in ENTRIES.values() if entry.any_depth)
            raise ValueError(f"theory: depth cannot be chosen for {', '.join(fixed)}; it can for {able}")
    options = {"quick": quick} if depth is None else {"quick": quick, "depth": depth}
    results = []
    for index, entry in enumerate(entries):
        if progress is not None:
            progress(index, len(entries), entry, None)
        start = time.perf_counter()
        checks = entry.module().check(seed=seed, **options)
        results.append(Result(entry.name, entry.title, tuple(checks), time.perf_counter() - start))
        if progress is not None:
            progress(index, len(entries), entry, results[-1])
    return results
