"""The suite: everything in this library passes, and nothing is left out."""

import inspect

import pytest

from minirmae import layers, ops
from minirmae.gradcheck import cases
from minirmae.gradcheck.case import Case
from minirmae.gradcheck.report import Report
from minirmae.gradcheck.suite import run_suite, selected
from minirmae.models import autoencoder as autoencoders


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


def covered(presets):
    return {case.covers for case in selected(presets=presets)}


def test_every_public_op_has_a_case():
    names = {name for name, value in vars(ops).items() if inspect.isfunction(value)}
    assert {"conv2d", "softmax_cross_entropy"} <= names <= covered(False)


def test_every_layer_has_a_case():
    members = inspect.getmembers(layers, inspect.isclass)
    classes = {name for name, value in members if issubclass(value, layers.Layer) and value is not layers.Layer}
    assert {"Linear", "Sequential"} <= classes <= covered(False)


def test_every_preset_and_variant_has_a_case():
    names = [case.name for case in selected()]
    assert set(autoencoders.PRESETS) <= covered(True)
    assert not {case.name for case in selected(presets=False)} & {case.name for case in cases.PRESETS}
    for variant in autoencoders.VARIANTS:
        assert any(f"{variant} layers" in name for name in names)


def test_names_are_unique():
    names = [case.name for case in selected()]
    assert len(names) == len(set(names))


def test_cases_are_selected_by_their_name_or_by_what_they_cover():
    assert [case.name for case in selected("conv2d without bias")] == ["conv2d without bias"]
    assert [case.name for case in selected(["tanh", "Dropout"])] == ["tanh", "Dropout", "Dropout, training"]
    assert [report.name for report in run_suite(["reshape"], seed=4)] == ["reshape"]
    with pytest.raises(ValueError, match="no case called convolution, relu6; there are "):
        selected(["convolution", "tanh", "relu6"])


def test_a_seed_moves_the_point():
    (first,), (second,) = run_suite("tanh", seed=0), run_suite("tanh", seed=1)
    assert isinstance(first, Report)
    assert first.seed == 0
    assert second.seed == 1
    assert first.rows != second.rows


def test_a_case_without_a_backward_has_no_point_to_sabotage():
    assert {case.name for case in selected() if case.point is None} == {"conv2d and its adjoint"}
    assert all(isinstance(case, Case) for case in selected())
