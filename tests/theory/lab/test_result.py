import json
import math

import numpy as np
import pytest

from minirmae.theory.lab.result import Check, Result, at_least, at_most, compare, timed


def test_compare_reports_the_worst_entry():
    check = compare("x", [[1.0, 2.0], [3.0, 4.0]], [[1.1, 2.0], [3.0, 3.5]], 0.5, seed=7, note="2 x 2")
    assert (check.prediction, check.measurement, check.error, check.seed, check.note) == (4.0, 3.5, 0.5, 7, "2 x 2")
    assert check.passed
    assert not compare("x", 4.0, 3.4, 0.5, seed=0).passed


def test_compare_can_be_relative_to_the_prediction():
    check = compare("x", [100.0, 1.0, 0.0], [101.0, 1.5, 0.0], 0.4, seed=0, relative=True)
    assert (check.prediction, check.error, check.passed) == (1.0, 0.5, False)
    assert compare("x", 0.0, 1e-300, 1.0, seed=0, relative=True).error == math.inf


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_a_number_never_passes(bad):
    check = compare("x", [1.0, 5.0], [bad, 5.0], 1e300, seed=0)
    assert not check.passed
    assert check.badness == math.inf
    assert not Check("x", 0.0, bad, math.nan, math.inf, 0).passed


@pytest.mark.parametrize("prediction, measurement", [([1.0], [1.0, 2.0]), ([], []), (1.0, [1.0])])
def test_compare_refuses_shapes_that_do_not_fit(prediction, measurement):
    with pytest.raises(ValueError, match="two arrays of one shape"):
        compare("x", prediction, measurement, 1.0, seed=0)


@pytest.mark.parametrize(
    "build, measurement, passed",
    [
        (at_most, 0.9, True),
        (at_most, 1.0, True),
        (at_most, 1.1, False),
        (at_most, math.nan, False),
        (at_least, 0.9, False),
        (at_least, 1.0, True),
        (at_least, 1.1, True),
        (at_least, math.nan, False),
    ],
)
def test_bounds(build, measurement, passed):
    check = build("x", 1.0, measurement, seed=0)
    assert check.passed is passed
    assert check.error == 0 if passed else not check.error <= 0


def test_a_bound_may_have_slack():
    assert at_most("x", 1.0, 1.25, seed=0, slack=0.25).passed
    assert at_least("x", 1.0, 0.75, seed=0, slack=0.25).passed
    assert not at_least("x", 1.0, 0.7, seed=0, slack=0.25).passed


def test_badness_is_the_error_in_units_of_the_tolerance():
    assert Check("x", 0, 0, 0.5, 2.0, 0).badness == 0.25
    assert Check("x", 0, 0, 0.0, 0.0, 0).badness == 0
    assert Check("x", 0, 0, 1e-300, 0.0, 0).badness == math.inf


def test_a_result_passes_if_every_check_does_and_there_is_one():
    good, bad = (compare("x", 1.0, m, 0.1, seed=0) for m in (1.0, 2.0))
    assert Result("a", "", (good, good), 0.0).passed
    assert not Result("a", "", (good, bad), 0.0).passed
    assert not Result("a", "", (), 0.0).passed


def test_json_is_strict():
    checks = (compare("x", 1.0, np.nan, 0.1, seed=3), compare("y", 1.0, 1.0, 0.1, seed=3, speedup=2.0))
    record = json.loads(json.dumps(Result("a", "t", checks, 0.5).to_json(), allow_nan=False))
    assert record["passed"] is False
    assert [check["passed"] for check in record["checks"]] == [False, True]
    assert record["checks"][0]["error"] is None
    assert record["checks"][1]["speedup"] == 2.0


def test_timed_calls_as_often_as_asked():
    calls = []
    value, seconds = timed(lambda: calls.append(1) or len(calls), repeats=3)
    assert (value, len(calls)) == (3, 3)
    assert seconds >= 0
