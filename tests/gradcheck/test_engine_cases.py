"""The engines in the suite: every way of an engine has a case, and nothing is imported before it is asked for."""

import subprocess
import sys

import pytest

from minirmae.engines.cpu import form, winograd
from minirmae.gradcheck import suite
from minirmae.gradcheck.engine_cases import CPU, engine_cases, engine_presets


def test_cases_are_named_after_their_engine():
    cases = [*engine_cases(), *engine_presets()]
    assert all(case.engine == CPU and case.name.startswith(f"{CPU}: ") for case in cases)
    assert {"conv2d", "conv_transpose2d", "linear", "linear_stack", "Sequential", "shapes", "mnist"} == {
        case.covers for case in cases
    }
    names = {case.name for case in cases}
    for op in ("conv2d", "conv_transpose2d", "linear"):
        for way in ("", " without bias", ", empty batch"):
            assert {f"{CPU}: {op}{way}", f"{CPU}: {op}{way}, and relu"} <= names


def test_the_cases_of_an_engine_or_of_the_reference_are_selected_by_its_name():
    everything = suite.selected()
    assert {case.engine for case in everything} == {"reference", CPU}
    assert len(suite.selected(["reference", CPU])) == len(everything)
    assert [case.name for case in suite.selected(CPU)] == [case.name for case in everything if case.engine == CPU]
    assert {case.engine for case in suite.selected("conv2d")} == {"reference", CPU}


def test_a_case_computes_what_it_is_named_after(monkeypatch):
    ways = []

    def watched(cls, name):
        method = getattr(cls, name)

        def watch(self, *args, **options):
            ways.append("Winograd" if cls is winograd.Winograd else "gathered" if self.gathers else "folded")
            return method(self, *args, **options)

        monkeypatch.setattr(cls, name, watch)

    watched(form.Form, "input_gradient")
    watched(winograd.Winograd, "input_gradient")
    found = {}
    for case in engine_cases():
        if case.covers in ("conv2d", "conv_transpose2d"):
            ways.clear()
            function, arrays = case.point(0)
            y, backward = function(*arrays)
            backward(y)
            (found[case.name],) = set(ways)
    for name, way in found.items():
        assert ("Winograd" in name) == (way == "Winograd"), name
        assert ("gathered" not in name) or way == "gathered", name
    assert set(found.values()) == {"Winograd", "gathered", "folded"}


def test_pixels_beyond_the_windows_have_the_bias_alone():
    (case,) = (case for case in engine_cases() if case.name.endswith("beyond the windows"))
    function, (x, W, b) = case.point(0)
    y, _ = function(x, W, b)
    assert (y[:, -1] == b).all()
    assert (y[:, :, -1] == b).all()


def test_a_wrong_engine_fails_its_cases_and_not_the_references(monkeypatch):
    from minirmae.engines.cpu import ops

    monkeypatch.setattr(ops, "channel_sum", lambda images: 1.001 * images.sum(axis=(0, 1, 2)))
    failed = {case.name for case in suite.selected("conv2d") if not case.run(0).passed}
    assert f"{CPU}: conv2d" in failed
    assert all(name.startswith(CPU) and "without bias" not in name for name in failed)


def test_without_engines_the_reference_is_checked_alone(monkeypatch):
    monkeypatch.setattr(suite, "installed", lambda: False)
    assert {case.engine for case in suite.selected()} == {"reference"}
    with pytest.raises(ValueError, match="no case called cpu engine"):
        suite.selected(CPU)


def test_the_suite_imports_no_engine_before_its_cases_are_asked_for():
    code = (
        "import sys, minirmae.gradcheck.suite as suite\n"
        "assert not any(name.startswith('minirmae.engines') for name in sys.modules)\n"
        "suite.selected()\n"
        "assert 'minirmae.engines.cpu.ops' in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
