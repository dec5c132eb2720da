import ast
import inspect
from pathlib import Path

import numpy as np
import pytest

import minirmae.theory
from minirmae.theory import ENTRIES, run
from minirmae.theory.lab.result import compare
from minirmae.theory.registry import Entry

ROOM = Path(minirmae.theory.__file__).parent
RESULTS = sorted(path.stem for path in ROOM.glob("t[0-9][0-9]_*.py"))


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


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=lambda entry: entry.name)
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


def imports(path):
    """(module, name) of every name that a file imports from the theory."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("minirmae.theory"):
            yield from ((node.module, alias.name) for alias in node.names)


def test_there_is_one_file_for_each_entry_and_it_begins_with_its_number():
    assert [entry.module().__name__.rpartition(".")[2] for entry in ENTRIES.values()] == RESULTS
    for number, name in enumerate(RESULTS, 1):
        assert ast.get_docstring(ast.parse((ROOM / f"{name}.py").read_text())).startswith(f"T{number}. ")


def test_a_result_uses_earlier_results_only_and_no_private_names():
    for name in RESULTS:
        for module, imported in imports(ROOM / f"{name}.py"):
            used = module.removeprefix("minirmae.theory.")
            assert used.startswith("lab") or used < name, f"{name} imports {module}"
            assert not imported.startswith("_"), f"{name} imports {imported}"


def test_the_instruments_know_no_result_and_are_all_listed():
    import minirmae.theory.lab as lab

    for path in (ROOM / "lab").glob("*.py"):
        assert all(module.startswith("minirmae.theory.lab") for module, _ in imports(path)), path.name
        assert path.stem == "__init__" or f"- `{path.stem}`: " in lab.__doc__
