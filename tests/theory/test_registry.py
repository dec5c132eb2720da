import inspect
from importlib.util import find_spec

import numpy as np
import pytest

from minirmae.theory import ENTRIES, run
from minirmae.theory.lab.result import compare
from minirmae.theory.registry import Entry

WRITTEN = [e for e in ENTRIES.values() if find_spec(f"minirmae.theory.{e.name.replace('-', '_')}") is not None]


@pytest.fixture
def two_entries(monkeypatch):
    """Two entries that record how they were called."""
    calls = []

    class Module:
        def __init__(self, name):
            self.name = name

        def check(self, **options):
            calls.append((self.name, options))
            return [compare("x", 1.0, 1.0 if self.name == "two-layer" else 2.0, 0.1, seed=options["seed"])]

    monkeypatch.setattr(Entry, "module", lambda entry: Module(entry.name))
    return calls


def test_results_come_in_the_order_asked_for_with_their_options(two_entries):
    results = run(["deep-modes", "two-layer"], seed=5, quick=True)
    assert [(r.name, r.passed) for r in results] == [("deep-modes", False), ("two-layer", True)]
    assert two_entries == [("deep-modes", {"seed": 5, "quick": True}), ("two-layer", {"seed": 5, "quick": True})]


def test_depth_goes_only_to_results_that_have_one(two_entries):
    run(["deep-modes"], depth=4)
    assert two_entries == [("deep-modes", {"seed": 0, "quick": False, "depth": 4})]
    with pytest.raises(ValueError, match="depth cannot be chosen for two-layer; it can for deep-modes"):
        run(["deep-modes", "two-layer"], depth=4)
    assert len(two_entries) == 1


def test_progress_is_told_before_and_after(two_entries):
    told = []
    run(["two-layer", "deep-modes"], progress=lambda i, n, entry, result: told.append((i, n, entry.name, result)))
    assert [(i, n, name, result is None) for i, n, name, result in told] == [
        (0, 2, "two-layer", True),
        (0, 2, "two-layer", False),
        (1, 2, "deep-modes", True),
        (1, 2, "deep-modes", False),
    ]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"names": ["three-layer"]}, "name must be one of two-layer, deep-modes"),
        ({"names": ["two-layer"], "seed": -1}, "seed must be an integer of at least 0"),
        ({"names": ["deep-modes"], "depth": 0}, "depth must be an integer of at least 1"),
    ],
)
def test_bad_requests_are_refused_before_anything_runs(two_entries, arguments, message):
    with pytest.raises(ValueError, match=message):
        run(**arguments)
    assert two_entries == []


def test_there_are_fifteen_entries():
    assert len(ENTRIES) == 15
    assert all(name == entry.name for name, entry in ENTRIES.items())


@pytest.mark.parametrize("entry", WRITTEN, ids=lambda entry: entry.name)
def test_every_module_offers_check_and_figure_with_depth_where_promised(entry):
    options = {"seed": 0, "depth": None, "quick": False} if entry.any_depth else {"seed": 0, "quick": False}
    signature = inspect.signature(entry.module().check).parameters
    assert {name: p.default for name, p in signature.items()} == options
    assert inspect.signature(entry.module().figure).parameters["seed"].default == 0
    assert ("depth" in inspect.signature(entry.module().figure).parameters) == entry.any_depth


def test_a_run_does_not_touch_the_global_generator():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    run(["two-layer"], quick=True)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
