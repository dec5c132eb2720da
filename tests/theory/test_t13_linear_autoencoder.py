import numpy as np
import pytest

from minirmae.theory import t13_linear_autoencoder as linear_autoencoder
from minirmae.theory.lab import autoencoder_modes


def verdicts(checks):
    return {check.name: check.passed for check in checks}


@pytest.fixture
def flow_only(monkeypatch):
    """Only what `_check_flow` makes: the rest has tests of its own."""
    monkeypatch.setattr(linear_autoencoder, "check_landscape", lambda *_: [])
    monkeypatch.setattr(linear_autoencoder, "check_random_start", lambda *_: [])
    monkeypatch.setattr(
        linear_autoencoder, "_check_descent", lambda *_: linear_autoencoder.compare("-", 0, 0, 0, seed=0)
    )


def test_every_check_passes_on_another_seed_too():
    checks = linear_autoencoder.check(seed=11, quick=True)
    assert len(checks) == 16
    assert all(check.passed for check in checks), checks


def test_each_depth_has_a_seed_of_its_own_and_solves_its_flow(flow_only):
    checks = linear_autoencoder.check(seed=20)
    assert all(check.passed for check in checks), checks
    assert len({check.seed for check in checks if check.name == "modes"}) == 5
    assert {check.note[:5] for check in checks if check.name == "modes"} == {f"l = {l}" for l in range(5)}
    assert sum(check.speedup is not None for check in checks) == 5


def test_a_depth_can_be_chosen(flow_only):
    checks = linear_autoencoder.check(depth=3, quick=True)
    assert all(check.passed for check in checks), checks
    assert "l = 1" in checks[0].note
    with pytest.raises(ValueError, match="encoder, decoder and l extra layers"):
        linear_autoencoder.check(depth=1)


def test_a_wrong_exponent_is_reported(monkeypatch, flow_only):
    right = autoencoder_modes.autoencoder_modes
    monkeypatch.setattr(linear_autoencoder, "autoencoder_modes", lambda t, s0, lam, l: right(t, s0, lam, l + 1))
    found = verdicts(linear_autoencoder.check(quick=True))
    assert not found["modes"]
    assert not found["loss"]
    assert not found["covariance spectrum of the code"]
    assert found["strength at the times predicted for 0.1, 0.5, 0.9"]


def test_a_rank_that_comes_too_early_is_reported(monkeypatch, flow_only):
    right = autoencoder_modes.autoencoder_rank
    monkeypatch.setattr(linear_autoencoder, "autoencoder_rank", lambda t, *rest: right(1.2 * t, *rest))
    found = verdicts(linear_autoencoder.check(quick=True))
    assert not found["rank, singular values of W above 1/2"]
    assert found["modes"]


def test_an_unbalanced_start_is_reported(monkeypatch, flow_only):
    right = linear_autoencoder.flow_modes
    tilt = np.array([[1.5], [1 / 1.5]])
    monkeypatch.setattr(linear_autoencoder, "flow_modes", lambda modes, start, *rest: right(modes, tilt * start, *rest))
    found = verdicts(linear_autoencoder.check(quick=True))
    assert not found["modes"]
    assert not found["covariance spectrum of the code"]
    assert found["modes stay apart"]


def test_too_large_a_step_is_reported(monkeypatch):
    monkeypatch.setattr(linear_autoencoder, "check_landscape", lambda *_: [])
    monkeypatch.setattr(linear_autoencoder, "check_random_start", lambda *_: [])
    monkeypatch.setattr(linear_autoencoder, "RATE", 0.7)
    assert not verdicts(linear_autoencoder.check(quick=True))["SGD: distance to flow, rate over half rate"]


def test_the_figure_has_axes_with_names_lines_and_points():
    pytest.importorskip("matplotlib")
    drawing = linear_autoencoder.figure(depth=4)
    assert len(drawing.axes) == 3
    for axis in drawing.axes:
        assert axis.get_xlabel()
        assert axis.get_ylabel()
        assert {line.get_linestyle() != "None" for line in axis.lines} == {True, False}
