"""Rung 7: no sabotage of anything in this library goes unnoticed."""

import numpy as np
import pytest

from minirmae.gradcheck import check
from minirmae.gradcheck.sabotage import COTANGENT_MISTAKES, GRADIENT_MISTAKES, catalogue
from minirmae.gradcheck.suite import selected

CASES = [case for case in selected(presets=False) if case.point is not None]
SQUARE = np.random.default_rng(0).standard_normal((3, 3))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_sabotage_of_every_op_and_layer_is_caught(case):
    function, arrays = case.point(0)
    broken = catalogue(function, *arrays)
    assert len(broken) >= 5
    missed = [sabotage.name for sabotage in broken if check(sabotage.function, *arrays).passed]
    assert missed == []


def test_every_mistake_applies_to_some_case_of_the_suite():
    names = set()
    for case in selected(["conv2d", "linear"]):
        function, arrays = case.point(0)
        names |= {sabotage.name for sabotage in catalogue(function, *arrays)}
    behaviour = {
        "mutated dy",
        "mutated input",
        "alias of dy",
        "accumulated",
        "reused buffer",
        "stale value",
        "single use",
        "float64 result",
        "float32 result",
        "extra axis",
        "missing gradient",
    }
    assert behaviour <= names
    for mistake in (*GRADIENT_MISTAKES, *COTANGENT_MISTAKES):
        assert any(name.startswith(mistake) for name in names), mistake


def test_sabotage_leaves_the_value_alone():
    def square(x):
        return x * x, lambda dy: 2 * x * dy

    for sabotage in catalogue(square, SQUARE):
        y, _ = sabotage.function(SQUARE.copy())
        np.testing.assert_array_equal(y, SQUARE * SQUARE, err_msg=sabotage.name)
        assert sabotage.description


def test_what_cannot_be_seen_is_not_in_the_catalogue():
    def constant(x):
        return 0 * x, lambda dy: 0 * dy

    names = {sabotage.name for sabotage in catalogue(constant, SQUARE)}
    assert not names & {"zeros of x", "wrong sign of x", "accumulated", "stale value"}
    assert {"mutated dy", "single use", "extra axis"} <= names

    def diagonal(x):
        return x.sum(), lambda dy: dy * np.eye(3, dtype=x.dtype)

    names = {sabotage.name for sabotage in catalogue(diagonal, SQUARE)}
    assert "transposed of x" not in names
    assert "zeros of x" in names
    assert not names & {"mutated dy", "alias of dy"}


def test_the_catalogue_does_not_touch_the_callers_arrays():
    x = SQUARE.copy()
    x.setflags(write=False)
    assert catalogue(lambda x: (x * x, lambda dy: 2 * x * dy), x)


def test_a_checker_that_skips_rungs_misses_sabotage():
    """The catalogue is not so crude that any one rung would do."""
    function, arrays = next(case for case in CASES if case.name == "conv2d").point(0)
    broken = catalogue(function, *arrays)
    for rung in ("adjoint", "derivative", "second order", "float32", "hygiene"):
        assert any(check(sabotage.function, *arrays, rungs=(rung,)).passed for sabotage in broken)
