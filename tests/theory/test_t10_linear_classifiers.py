import numpy as np
import pytest

from minirmae.ops import conv2d, linear
from minirmae.theory import t10_linear_classifiers as linear_classifiers
from minirmae.theory.lab.integrator import integrate
from minirmae.theory.lab.spectral_margin import loss_shares
from minirmae.theory.t10_linear_classifiers import convolutional_flow, fully_connected_flow, planted_data


@pytest.fixture
def short(monkeypatch):
    """A run long enough to see what is wrong."""
    monkeypatch.setattr(linear_classifiers, "CLOCK", np.array([0.0, 250.0, 1000.0]))


def verdicts(**options):
    return {check.name: check.passed for check in linear_classifiers.check(quick=True, **options)}


def test_every_check_passes_on_another_seed_too():
    checks = linear_classifiers.check(seed=3, quick=True)
    assert len(checks) == 8
    assert all(check.passed for check in checks), checks
    assert sum(check.speedup is not None for check in checks) == 2


def test_a_depth_can_be_chosen():
    checks = linear_classifiers.check(depth=3, quick=True)
    assert [check.note.startswith("3 layers") for check in checks] == [True] * 3
    assert all(check.passed for check in checks), checks


def test_the_fourier_network_is_the_library_s_own_convolutions():
    """Circular convolutions of full width by `ops.conv2d` on wrapped signals, and a last linear layer."""
    rng = np.random.default_rng(0)
    Z, w, D = rng.normal(size=(5, 8)), rng.normal(size=(3, 8)), 8
    h, backwards = Z, []
    for kernel in w[:-1]:
        wrapped = np.concatenate([h, h[:, : D - 1]], axis=1)
        y, backward = conv2d(wrapped[:, None, :, None], kernel[None, :, None, None])
        h = y[:, 0, :, 0]
        backwards.append(backward)
    scores, last = linear(h, w[-1][:, None])
    beta = np.fft.ifft(np.fft.fft(w).prod(axis=0)).real
    np.testing.assert_allclose(scores[:, 0], Z @ beta, rtol=1e-12)

    # The gradient of -ln(loss), walked back through the library, is the flow's first direction.
    p = loss_shares(beta, Z)
    dh, d_last = last(p[:, None])
    slopes = [d_last[:, 0]]
    for backward in reversed(backwards):
        dx, dW = backward(dh[:, None, :, None])
        slopes.append(dW[0, :, 0, 0])
        dh = dx[:, 0, :D, 0]
        dh[:, : D - 1] += dx[:, 0, D:, 0]
    g = np.array(slopes[::-1])
    s = 1e-7
    moved = w + s * g / (g * g).sum()
    expected = np.fft.ifft(np.fft.fft(moved).prod(axis=0)).real - beta
    found = np.diff(convolutional_flow(Z, w, np.array([0.0, s])), axis=0)[0]
    np.testing.assert_allclose(found / s, expected / s, atol=1e-5)


def test_the_clock_lowers_the_logarithm_of_the_loss_at_rate_one():
    rng = np.random.default_rng(1)
    Z, _ = planted_data(rng)
    times = np.linspace(0, 20, 5)
    one = fully_connected_flow(Z, [rng.normal(size=(3, 8)), rng.normal(size=(1, 3))], times)
    two = convolutional_flow(Z, 0.3 * rng.normal(size=(3, 8)), times)
    for betas in (one, two):
        log_loss = np.log(np.exp(-betas @ Z.T).sum(axis=1))
        np.testing.assert_allclose(log_loss, log_loss[0] - times, atol=1e-3)


def test_one_layer_follows_the_path_of_gradient_flow():
    Z, _ = planted_data(np.random.default_rng(2))
    start = np.full((1, 8), 0.1)
    plain = integrate(lambda t, w: np.exp(-Z @ w) @ Z, start[0], np.array([0.0, 50.0])).states[-1]
    loss = np.exp(-Z @ np.stack([start[0], plain], axis=1)).sum(axis=0)
    times = np.array([0.0, np.log(loss[0] / loss[1])])
    for path in (fully_connected_flow(Z, [start], times), convolutional_flow(Z, start, times)):
        np.testing.assert_allclose(path[-1], plain, atol=1e-4)


def test_a_wrong_exponent_is_reported(monkeypatch, short):
    right = linear_classifiers.penalty_shares
    monkeypatch.setattr(linear_classifiers, "penalty_shares", lambda beta, depth: right(beta, 2 * depth))
    found = verdicts()
    assert not found["convolutional: shares by frequency"]
    assert found["convolutional, L = 2: l1 margin gap"]


def test_another_architecture_is_reported(monkeypatch, short):
    monkeypatch.setattr(
        linear_classifiers, "convolutional_flow", lambda Z, start, times: fully_connected_flow(Z, [start[:1]], times)
    )
    found = verdicts(depth=2)
    assert not found["convolutional: shares by frequency"]
    assert not found["convolutional, L = 2: l1 margin gap"]
    assert not found["convolutional, L = 2: cosine to the planted"]


def test_training_that_stops_early_is_reported(monkeypatch):
    monkeypatch.setattr(linear_classifiers, "CLOCK", np.array([0.0, 1.0, 4.0]))
    found = verdicts()
    assert not found["fully connected: l2 margin gap"]
    assert not found["convolutional: shares by frequency"]


def test_a_loss_with_another_weighting_is_reported(monkeypatch, short):
    def equal(beta, Z):
        return np.full(len(Z), 1 / len(Z))

    monkeypatch.setattr(linear_classifiers, "loss_shares", equal)
    found = verdicts(depth=2)
    assert not found["fully connected: l2 margin gap"]
    assert not found["convolutional, L = 2: l1 margin gap"]


def test_the_figure_has_axes_with_names_lines_and_points(short):
    pytest.importorskip("matplotlib")
    drawing = linear_classifiers.figure()
    assert len(drawing.axes) == 2
    for axis in drawing.axes:
        assert axis.get_xlabel()
        assert axis.get_ylabel()
        assert {line.get_linestyle() != "None" for line in axis.lines} == {True, False}
