"""Reports: verdicts, tables and JSON."""

import json
import math

import pytest

from minirmae.gradcheck.report import Report, Row, guarded, measured

PASS = Row("x", "derivative", "complex step", 1e-16, 1e-12, "pass", None, 1.0, 1.0)
UNSURE = Row("W", "derivative", "Richardson", 1e-3, 1e-9, "inconclusive", note="kink")
FAIL = Row("b", "derivative", "complex step", 0.5, 1e-12, "fail", (1, 2), 1.0, 2.0)


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ((), "fail"),
        ((PASS,), "pass"),
        ((PASS, UNSURE), "inconclusive"),
        ((PASS, UNSURE, FAIL), "fail"),
    ],
)
def test_the_worst_row_decides_and_no_rows_are_no_pass(rows, verdict):
    report = Report("f", 3, rows)
    assert report.verdict == verdict
    assert report.passed == (verdict == "pass")


def test_failures_and_the_worst_row_are_found():
    report = Report("f", 0, (PASS, FAIL, UNSURE))
    assert report.failures == (FAIL, UNSURE)
    assert report.worst is FAIL
    assert Report("f", 0, (UNSURE, PASS)).worst is UNSURE
    assert report.largest_error("derivative") == 0.5
    assert report.largest_error("hygiene") == 0.0
    with pytest.raises(ValueError, match="no rows"):
        _ = Report("f", 0, ()).worst


def test_among_passing_rows_the_one_nearest_its_tolerance_is_worst():
    near = Row("y", "float32", "against float64", 1e-6, 2e-6, "pass")
    exact = Row("all", "hygiene", "contract", 0.0, 0.0, "pass")
    assert Report("f", 0, (exact, PASS, near)).worst is near


def test_a_failing_report_raises_its_table_and_a_passing_one_returns_itself():
    passing = Report("f", 0, (PASS,))
    assert passing.require() is passing
    with pytest.raises(AssertionError) as raised:
        Report("f", 7, (PASS, FAIL, UNSURE)).require()
    table = str(raised.value)
    assert table.startswith("f: fail (seed 7)")
    for part in ("complex step", "5.0e-01", "1,2", "note: derivative of W, Richardson: kink"):
        assert part in table
    with pytest.raises(AssertionError, match="inconclusive"):
        Report("f", 0, (UNSURE,)).require()


def test_json_holds_every_field_and_no_number_that_json_lacks():
    broken = Row("x", "hygiene", "contract", math.inf, 0.0, "fail", analytic=math.nan, note="raised")
    text = json.dumps(Report("f", 1, (FAIL, broken)).to_json(), allow_nan=False)
    back = json.loads(text)
    assert back["name"] == "f"
    assert back["seed"] == 1
    assert back["verdict"] == "fail"
    assert back["rows"][0] == {
        "argument": "b",
        "rung": "derivative",
        "method": "complex step",
        "error": 0.5,
        "tolerance": 1e-12,
        "verdict": "fail",
        "index": [1, 2],
        "analytic": 1.0,
        "numeric": 2.0,
        "note": "",
    }
    assert back["rows"][1]["error"] is None
    assert back["rows"][1]["analytic"] is None


def test_an_error_that_is_not_a_number_fails():
    assert measured("x", "r", "m", math.nan, 1.0).verdict == "fail"
    assert measured("x", "r", "m", 1.0, 1.0).verdict == "pass"


def test_an_exception_becomes_a_failing_row():
    def raising():
        yield PASS
        raise ZeroDivisionError("oh")

    (row,) = guarded("adjoint", "dot test", raising)
    assert row.verdict == "fail"
    assert row.note == "raised ZeroDivisionError: oh"
