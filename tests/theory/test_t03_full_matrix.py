import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from minirmae.theory import t03_full_matrix as module
from minirmae.theory.lab.initial import lambda_balanced_factors
from minirmae.theory.lab.integrator import integrate
from minirmae.theory.t01_two_layer import two_layer_modes
from minirmae.theory.t03_full_matrix import full_matrix_gram, full_matrix_product

TIMES = np.array([0.0, 1e-6, 0.4, 1.5, 3.0])


def verdicts(checks):
    return {check.name: check.passed for check in checks}


def random_start(seed, inputs, hidden, outputs, lam, scale=1.0):
    rng = np.random.default_rng(seed)
    r = min(inputs, hidden, outputs)
    start = scale * rng.normal(size=(outputs, r)) @ rng.normal(size=(r, inputs))
    return *lambda_balanced_factors(start, lam, hidden, rng), rng.normal(size=(outputs, inputs))


def by_cholesky(t, W1, W2, correlation):
    """Q Q^T at one time by the formula of the literature, in chunks small enough for it to hold in doubles."""
    inputs, hidden = W1.shape[1], len(W1)
    lam = np.trace(W2.T @ W2 - W1 @ W1.T) / hidden
    signs = np.repeat([-1.0, 1.0], [inputs, len(W2)])
    F = lam / 2 * np.diag(signs)
    F[inputs:, :inputs], F[:inputs, inputs:] = correlation, correlation.T
    w, O = np.linalg.eigh(F)
    Z = O.T @ np.vstack([W1.T, W2])
    chunks = int(np.ceil(abs(w).max() * t / 2))
    h = t / chunks
    for _ in range(chunks):
        L = np.linalg.cholesky(np.eye(hidden) + (Z.T * np.where(abs(w) > 1e-12, np.expm1(2 * w * h) / (2 * w), h)) @ Z)
        Z = np.linalg.solve(L, (np.exp(w * h)[:, None] * Z).T).T
    return O @ Z @ Z.T @ O.T


def test_every_check_passes_on_other_seeds_too():
    checks = module.check(seed=31)
    assert len(checks) == 26
    assert all(check.passed for check in checks), checks
    assert len({check.seed for check in checks}) == 5
    assert sum(check.speedup is not None for check in checks) == 5


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10**6), st.integers(1, 5), st.integers(1, 5), st.integers(1, 5), st.floats(-3, 3), st.floats(1e-3, 1)
)
@example(0, 3, 3, 3, 0.0, 1.0)
@example(0, 2, 5, 3, 0.0, 1e-3)
@example(0, 1, 1, 1, 1e-12, 1.0)
def test_any_lambda_balanced_start_agrees_with_the_integrator(seed, inputs, hidden, outputs, lam, scale):
    if hidden > (outputs if lam > 0 else inputs):
        lam = 0.0
    W1, W2, correlation = random_start(seed, inputs, hidden, outputs, lam, scale)

    def field(t, y):
        a, b = y[: W1.size].reshape(W1.shape), y[W1.size :].reshape(W2.shape)
        G = b @ a - correlation
        return -np.concatenate([(b.T @ G).ravel(), (G @ a.T).ravel()])

    states = integrate(field, np.concatenate([W1.ravel(), W2.ravel()]), TIMES).states
    for state, gram in zip(states, full_matrix_gram(TIMES, W1, W2, correlation), strict=True):
        Q = np.vstack([state[: W1.size].reshape(W1.shape).T, state[W1.size :].reshape(W2.shape)])
        np.testing.assert_allclose(gram, Q @ Q.T, atol=1e-9)


@pytest.mark.parametrize("sizes, lam", [((6, 2, 5), 0.0), ((5, 3, 8), 0.7), ((7, 5, 6), -0.8), ((4, 6, 5), 0.0)])
@pytest.mark.parametrize("scale", [1.0, 1e-9])
def test_long_times_agree_with_small_chunks(sizes, lam, scale):
    W1, W2, correlation = random_start(3, *sizes, lam, scale)
    for t in (0.01, 7.0, 60.0, 90.0, 250.0):
        expected = by_cholesky(t, W1, W2, correlation)
        np.testing.assert_allclose(full_matrix_gram(t, W1, W2, correlation), expected, atol=1e-8 * abs(expected).max())


def test_the_chunk_does_not_matter(monkeypatch):
    W1, W2, correlation = random_start(0, 4, 3, 5, 0.5, 1e-3)
    whole = full_matrix_gram(TIMES * 5, W1, W2, correlation)
    monkeypatch.setattr(module, "_EXPONENT", 3.0)
    np.testing.assert_allclose(full_matrix_gram(TIMES * 5, W1, W2, correlation), whole, rtol=0, atol=1e-12)


def test_the_start_comes_back_and_time_adds_up():
    W1, W2, correlation = random_start(1, 4, 2, 3, 0.0)
    Q = np.vstack([W1.T, W2])
    np.testing.assert_allclose(full_matrix_gram([0.0, 1e-12], W1, W2, correlation), [Q @ Q.T] * 2, atol=1e-10)
    middle = full_matrix_product(0.7, W1, W2, correlation)
    factors = lambda_balanced_factors(middle, 0.0, 2)
    later, direct = full_matrix_product(0.6, *factors, correlation), full_matrix_product(1.3, W1, W2, correlation)
    np.testing.assert_allclose(later, direct, atol=1e-12)


def test_one_mode_is_the_logistic_curve():
    s0, sigma = 0.01, 1.5
    a = np.array([[np.sqrt(s0)]])
    W = full_matrix_product(TIMES, a, a, np.array([[sigma]]))
    np.testing.assert_allclose(W[:, 0, 0], two_layer_modes(TIMES, s0, sigma), rtol=1e-12)


def test_nothing_to_learn():
    # Syx = 0 makes F singular, which the formula in the literature excludes.
    W1, W2, _ = random_start(0, 3, 3, 3, 0.0)
    W = full_matrix_product([0.0, 1e4], W1, W2, np.zeros((3, 3)))
    np.testing.assert_allclose(W[0], W2 @ W1, atol=1e-12)
    assert abs(W[1]).max() < 1e-4


def test_times_come_first():
    W1, W2, correlation = random_start(0, 4, 2, 3, 0.0)
    assert full_matrix_gram(0.3, W1, W2, correlation).shape == (7, 7)
    assert full_matrix_product(np.zeros((5, 2)), W1, W2, correlation).shape == (5, 2, 3, 4)
    assert full_matrix_product([], W1, W2, correlation).shape == (0, 3, 4)


def test_what_the_theorem_does_not_cover_is_refused():
    W1, W2, correlation = random_start(0, 4, 2, 3, 0.5)
    with pytest.raises(ValueError, match=r"start must be lambda-balanced, W_2.T W_2 - W_1 W_1.T = lam I, but the two"):
        full_matrix_product(1.0, W1, 1.01 * W2, correlation)
    with pytest.raises(ValueError, match="times must be finite and at least 0"):
        full_matrix_product(-1.0, W1, W2, correlation)
    with pytest.raises(ValueError, match="times must be finite and at least 0"):
        full_matrix_product(np.nan, W1, W2, correlation)
    with pytest.raises(ValueError, match="W2 must have shape"):
        full_matrix_product(1.0, W1, W2.T, correlation)
    with pytest.raises(ValueError, match="correlation must have shape"):
        full_matrix_product(1.0, W1, W2, correlation[:, :2])
    with pytest.raises(ValueError, match="lambda-balanced"):
        full_matrix_product(1.0, np.full((2, 4), np.nan), W2, correlation)


def test_an_unbalanced_start_is_reported(monkeypatch):
    right = module._flow
    tilt = np.diag([1.05, 1.0, 1 / 1.05])  # the same product, another balance
    monkeypatch.setattr(
        module, "_flow", lambda factors, *rest: right((tilt @ factors[0], factors[1] @ np.linalg.inv(tilt)), *rest)
    )
    found = verdicts(module.check(quick=True))
    assert not found["product W_2 W_1"]
    assert not found["representations, Q Q^T"]
    assert found["aligned start: the modes of T1"]


def test_inputs_that_are_not_white_are_reported(monkeypatch):
    right = module.quadratic_loss
    monkeypatch.setattr(module, "quadratic_loss", lambda sxx, *rest: right(np.diag(np.linspace(0.9, 1, 5)), *rest))
    found = verdicts(module.check(quick=True))
    assert not found["product W_2 W_1"]
    assert found["energy identity of the flow"]


def test_a_wrong_lambda_is_reported(monkeypatch):
    monkeypatch.setattr(module, "_lambda", lambda *_: 0.01)
    found = verdicts(module.check(quick=True))
    assert not found["product W_2 W_1"]
    assert not found["aligned start: the modes of T1"]


def test_too_large_a_step_is_reported(monkeypatch):
    monkeypatch.setattr(module, "RATE", 0.6)
    assert not verdicts(module.check(quick=True))["SGD: distance to flow, rate over half rate"]


def test_the_figure_has_axes_with_names_lines_and_points():
    pytest.importorskip("matplotlib")
    drawing = module.figure()
    assert len(drawing.axes) == 2
    for axis in drawing.axes:
        assert axis.get_xlabel().startswith("time t")
        assert axis.get_ylabel()
        assert {line.get_linestyle() != "None" for line in axis.lines} == {True, False}
