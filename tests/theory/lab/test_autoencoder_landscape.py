import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirmae.theory.lab import autoencoder_landscape
from minirmae.theory.lab.autoencoder_landscape import (
    autoencoder_problem,
    check_landscape,
    hessian_spectrum,
    stationary_factors,
    stationary_loss,
)
from minirmae.theory.lab.networks import linear_network, regression
from minirmae.theory.lab.sharpness import measured_hessian


def verdicts(checks):
    return {check.name: check.passed for check in checks}


def hessian_at(lam, kept, hidden, seed=0):
    rng = np.random.default_rng(seed)
    modes = autoencoder_problem(rng, lam)
    x, _ = modes.data(rng, 2 * len(lam))
    model = linear_network(stationary_factors(modes, kept, hidden, rng))
    return measured_hessian(model, regression(x.astype(complex)), x)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(0.1, 3), min_size=3, max_size=4),
    st.sets(st.integers(0, 2), max_size=2),
    st.lists(st.integers(2, 4), min_size=1, max_size=3),
    st.integers(0, 100),
)
def test_the_whole_hessian_spectrum_at_any_projection(lam, kept, hidden, seed):
    measured = hessian_at(lam, sorted(kept), hidden, seed)
    np.testing.assert_allclose(measured, measured.T, atol=1e-12)
    np.testing.assert_allclose(hessian_spectrum(lam, sorted(kept), hidden), np.linalg.eigvalsh(measured), atol=1e-11)


def test_the_printed_eigenvalues():
    lam = np.array([4.0, 2.0, 1.0, 0.5])
    for l in range(3):
        eigenvalues = hessian_spectrum(lam, [0, 2], [3] * (l + 1))
        assert eigenvalues.max() == (l + 2) * 4.0
        swap = (1.0 + 2.0 - np.hypot(2.0 - 1.0, 2 * 2.0)) / 2  # direction 2 out, the larger direction 1 in
        assert np.abs(eigenvalues - swap).min() < 1e-12
        # A free unit: downhill by -lam_j with two layers, flat with more.
        assert (-2.0 in eigenvalues) == (l == 0)


@pytest.mark.parametrize("l", [1, 2, 3])
def test_deep_plateaus_have_no_way_down_at_second_order_and_two_layers_have(l):
    lam = [2.0, 1.0, 0.5]
    assert hessian_spectrum(lam, [0], [3] * (l + 1)).min() == 0.0
    assert hessian_spectrum(lam, [0], [3]).min() == -1.0
    assert (hessian_spectrum(lam, [], [3] * (l + 1)) == 0.0).all()


def test_principal_components_are_the_least_loss_and_have_no_descent_at_full_width():
    lam = [3.0, 2.0, 1.0, 0.5]
    losses = {(i, j): stationary_loss(lam, [i, j]) for i in range(4) for j in range(i)}
    assert min(losses, key=losses.get) == (1, 0)
    assert hessian_spectrum(lam, [0, 1], [2]).min() >= 0
    assert hessian_spectrum(lam, [0, 2], [2]).min() < 0


def test_checks_pass_and_a_wrong_formula_is_reported(monkeypatch):
    assert all(check.passed for check in check_landscape(3, seed=5))
    right = hessian_spectrum
    monkeypatch.setattr(
        autoencoder_landscape, "hessian_spectrum", lambda lam, kept, hidden: right(lam, kept, [*hidden[:-1], 5])
    )
    monkeypatch.setattr(autoencoder_landscape, "stationary_loss", lambda lam, kept: 0.0)
    with pytest.raises(ValueError, match="one shape"):  # another width, another number of parameters
        check_landscape(2, seed=5)
    monkeypatch.setattr(autoencoder_landscape, "hessian_spectrum", lambda lam, *rest: right(1.01 * lam, *rest))
    found = verdicts(check_landscape(2, seed=5))
    assert not found["saddle: Hessian, all eigenvalues"]
    assert not found["saddle: loss"]
    assert not found["bottleneck: final loss"]
    assert found["bottleneck: W becomes PCA"]


def test_a_bottleneck_that_is_left_too_early_is_reported(monkeypatch):
    right = autoencoder_landscape.gradient_flow
    monkeypatch.setattr(autoencoder_landscape, "gradient_flow", lambda *args: right(*args[:3], args[3] / 20))
    found = verdicts(check_landscape(2, seed=5))
    assert not found["bottleneck: W becomes PCA"]
    assert found["saddle: gradient"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (([1.0, 1.0], [0, 1], [1]), "a bottleneck narrower than the 2 directions kept"),
        (([1.0, 1.0], [0], []), "at least two layers"),
        (([1.0, 1.0], [2], [3]), "different indices below 2"),
        (([1.0, 1.0], [0, 0], [3]), "different indices below 2"),
        (([1.0, -1.0], [0], [3]), "variances, finite and at least 0"),
        (([1.0, 1.0], [0], [0]), "hidden width 1 must be an integer of at least 1"),
    ],
)
def test_what_is_not_covered_is_refused(arguments, message):
    lam, kept, hidden = arguments
    with pytest.raises(ValueError, match=message):
        hessian_spectrum(lam, kept, hidden)
    with pytest.raises(ValueError, match=message):
        stationary_factors(autoencoder_problem(np.random.default_rng(0), lam), kept, hidden)
