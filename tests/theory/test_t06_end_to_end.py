import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from minirmae.theory import t06_end_to_end as module
from minirmae.theory.lab.initial import balanced_factors
from minirmae.theory.lab.losses import log_cosh_loss
from minirmae.theory.lab.networks import product
from minirmae.theory.t06_end_to_end import (
    end_to_end_flow,
    end_to_end_rates,
    end_to_end_velocity,
    singular_value_velocity,
    singular_vector_velocity,
)


def verdicts(checks):
    return {check.name: check.passed for check in checks}


def chain_rule(factors, G):
    """W' by products of layers."""
    total = 0.0
    for j in range(len(factors)):
        before = product(factors[:j]) if j else np.eye(factors[0].shape[1])
        after = product(factors[j + 1 :]) if j + 1 < len(factors) else np.eye(len(factors[-1]))
        total = total - after @ (after.T @ G @ before.T) @ before
    return total


def test_every_check_passes_on_other_seeds_too():
    checks = module.check(seed=17)
    assert len(checks) == 26
    assert all(check.passed for check in checks), checks
    assert len({check.seed for check in checks}) == 5


def test_a_depth_of_choice():
    checks = module.check(depth=4, quick=True)
    assert all(check.passed for check in checks), checks
    assert "depth 4" in checks[0].note


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 5), st.integers(1, 5), st.integers(0, 5), st.integers(0, 3)
)
@example(0, 6, 5, 3, 1, 0)  # rank one: all else is exactly zero
@example(0, 4, 3, 3, 0, 0)  # nothing at all
def test_the_velocity_of_any_balanced_product(seed, depth, outputs, inputs, rank, wider):
    rng = np.random.default_rng(seed)
    rank = min(rank, outputs, inputs)
    W = rng.normal(size=(outputs, rank)) @ rng.normal(size=(rank, inputs))
    factors = balanced_factors(W, [max(rank, 1) + wider] * (depth - 1), rng)
    G = rng.normal(size=W.shape)
    expected = chain_rule(factors, G)
    np.testing.assert_allclose(end_to_end_velocity(W, G, depth), expected, atol=1e-10 * (1 + abs(expected).max()))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 5), st.integers(1, 5))
def test_the_derivative_of_a_singular_value_decomposition(seed, depth, outputs, inputs):
    rng = np.random.default_rng(seed)
    r = min(outputs, inputs)
    U, V = np.linalg.qr(rng.normal(size=(outputs, r)))[0], np.linalg.qr(rng.normal(size=(inputs, r)))[0]
    W, G, h = (U * np.linspace(2, 1, r)) @ V.T, rng.normal(size=(outputs, inputs)), 1e-5
    dW = end_to_end_velocity(W, G, depth)
    U, _, _ = np.linalg.svd(W, full_matrices=False)

    def moved(step):
        A, t, Bt = np.linalg.svd(W + step * dW, full_matrices=False)
        signs = np.sign((A * U).sum(axis=0))
        return A * signs, t, Bt.T * signs

    differences = [(after - before) / (2 * h) for after, before in zip(moved(h), moved(-h), strict=True)]
    dU, dV = singular_vector_velocity(W, G, depth)
    for found, exact in zip(differences, (dU, singular_value_velocity(W, G, depth), dV), strict=True):
        np.testing.assert_allclose(found, exact, atol=1e-4, rtol=1e-4)


def test_vectors_stay_orthonormal():
    rng = np.random.default_rng(0)
    W, G = rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
    U, _, Vt = np.linalg.svd(W, full_matrices=False)
    dU, dV = singular_vector_velocity(W, G, 4)
    np.testing.assert_allclose(U.T @ dU + dU.T @ U, 0, atol=1e-12)
    np.testing.assert_allclose(Vt @ dV + dV.T @ Vt.T, 0, atol=1e-12)


def test_rates_on_the_diagonal_and_off_it():
    s = np.array([2.0, 0.5, 0.0])
    np.testing.assert_allclose(np.diag(end_to_end_rates(s, s, 3)), 3 * s ** (4 / 3))
    np.testing.assert_allclose(end_to_end_rates(s, s, 1), 1)
    # Two layers: the sum of both singular values.
    np.testing.assert_allclose(end_to_end_rates(s, s, 2), s[:, None] + s)


def test_what_the_theorem_does_not_cover_is_refused():
    rng = np.random.default_rng(0)
    W1, W2 = balanced_factors(rng.normal(size=(3, 4)), [3], rng)
    loss = log_cosh_loss(np.zeros((3, 4)))
    with pytest.raises(ValueError, match="end_to_end_flow: the start must be balanced"):
        end_to_end_flow([1.1 * W1, W2 / 1.1], loss, np.array([0.0, 1.0]))
    with pytest.raises(ValueError, match="end_to_end_rates: depth must be an integer of at least 1, got 0"):
        end_to_end_velocity(np.eye(2), np.eye(2), 0)
    with pytest.raises(ValueError, match="depth must be an integer of at least 1"):
        singular_value_velocity(np.eye(2), np.eye(2), -1)
    with pytest.raises(ValueError, match="G must have shape"):
        end_to_end_velocity(np.eye(2), np.eye(3), 2)
    for s in ([1.0, 1.0], [1.0, 0.0]):
        with pytest.raises(ValueError, match="singular values must be distinct and positive"):
            singular_vector_velocity(np.diag(s), np.eye(2), 2)


def test_a_wrong_exponent_is_reported(monkeypatch):
    right = module.end_to_end_rates
    monkeypatch.setattr(module, "end_to_end_rates", lambda left, right_, depth: right(left, right_, depth + 1))
    found = verdicts(module.check(quick=True))
    assert not found["velocity of the product"]
    assert not found["product along the flow"]
    assert not found["SGD: distance to flow, rate over half rate"]


def test_wrong_singular_values_and_vectors_are_reported(monkeypatch):
    value, vector = module.singular_value_velocity, module.singular_vector_velocity
    monkeypatch.setattr(module, "singular_value_velocity", lambda W, G, depth: value(W, G, depth + 1))
    monkeypatch.setattr(module, "singular_vector_velocity", lambda W, G, N: vector(W, G, N + 1 if N > 1 else 1))
    found = verdicts(module.check(quick=True))
    assert not found["velocity of the singular values"]
    assert not found["velocity of the singular vectors"]
    assert found["velocity of the product"]


def test_an_unbalanced_start_is_reported(monkeypatch):
    flow, velocity = module._flow, module._layers_velocity

    def tilted(factors):
        return [1.05 * factors[0], factors[1] / 1.05, *factors[2:]]

    monkeypatch.setattr(module, "_flow", lambda factors, *rest: flow(tilted(factors), *rest))
    monkeypatch.setattr(module, "_layers_velocity", lambda factors, loss: velocity(tilted(factors), loss))
    found = verdicts(module.check(quick=True))
    for name in ("product", "singular values", "singular vectors"):
        assert not found[f"velocity of the {name}"]
    assert not found["product along the flow"]
    assert found["energy identity of the flow"]


def test_too_large_a_step_is_reported(monkeypatch):
    monkeypatch.setattr(module, "RATE", 0.6)
    assert not verdicts(module.check(quick=True))["SGD: distance to flow, rate over half rate"]


def test_the_figure_has_axes_with_names_lines_and_points():
    pytest.importorskip("matplotlib")
    drawing = module.figure()
    assert len(drawing.axes) == 2
    for axis in drawing.axes:
        assert axis.get_xlabel()
        assert axis.get_ylabel()
        assert {line.get_linestyle() != "None" for line in axis.lines} == {True, False}
