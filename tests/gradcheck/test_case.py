"""A case: its point belongs to a seed, and not every case has one."""

import numpy as np

from minirmae.gradcheck.case import Case, op_case
from minirmae.gradcheck.report import Report
from minirmae.gradcheck.suite import run_suite, selected


def test_a_seed_moves_the_point():
    (first,), (second,) = run_suite("tanh", seed=0), run_suite("tanh", seed=1)
    assert isinstance(first, Report)
    assert first.seed == 0
    assert second.seed == 1
    assert first.rows != second.rows


def test_a_case_without_a_backward_has_no_point_to_sabotage():
    assert {case.name for case in selected() if case.point is None} == {"conv2d and its adjoint"}
    assert all(isinstance(case, Case) for case in selected())


def test_a_case_reports_what_it_is_named_and_repeats_its_point():
    case = op_case("cube", "power", lambda x: (x**3, lambda dy: 3 * x**2 * dy), (2, 3))
    function, (x,) = case.point(3)
    assert x.shape == (2, 3)
    np.testing.assert_array_equal(x, case.point(3)[1][0])
    np.testing.assert_array_equal(function(x)[0], x**3)
    report = case.run(3).require()
    assert (report.name, report.seed, case.covers, case.engine) == ("cube", 3, "power", "reference")
