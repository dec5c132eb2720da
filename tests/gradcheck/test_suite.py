"""The suite: everything in this library passes, and cases are selected."""

import pytest

from minirmae.gradcheck.suite import run_suite, selected


@pytest.mark.parametrize("case", selected(presets=False), ids=lambda case: case.name)
def test_every_op_and_layer_passes_to_machine_precision(case):
    report = case.run(0).require()
    assert report.name == case.name
    assert report.largest_error("adjoint") <= 1e-13
    steps = [row for row in report.rows if row.rung in ("derivative", "second order")]
    assert all(row.method == "complex step" and row.error <= 1e-12 for row in steps)


def test_a_preset_passes_with_a_row_for_every_parameter():
    (report,) = run_suite("shapes, latent 32, 4 linear layers")
    report.require()
    assert report.largest_error("derivative") <= 1e-12
    parameters = {row.argument for row in report.rows if row.rung == "derivative"}
    assert {"all", "x", "encoder.0.W", "bottleneck.W", "decoder.3.b"} <= parameters


def test_a_large_preset_is_checked_jointly():
    (report,) = run_suite("mnist, latent 128, 8 relu layers")
    report.require()
    (row,) = (row for row in report.rows if row.rung == "derivative")
    assert row.argument == "all"
    assert row.error <= 1e-12


def test_names_are_unique():
    names = [case.name for case in selected()]
    assert len(names) == len(set(names))


def test_cases_are_selected_by_their_name_or_by_what_they_cover():
    assert [case.name for case in selected("conv2d without bias")] == ["conv2d without bias"]
    assert [case.name for case in selected(["tanh", "Dropout"])] == ["tanh", "Dropout", "Dropout, training"]
    assert [report.name for report in run_suite(["reshape"], seed=4)] == ["reshape"]
    with pytest.raises(ValueError, match="no case called convolution, relu6; there are "):
        selected(["convolution", "tanh", "relu6"])
