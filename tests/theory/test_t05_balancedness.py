import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from minirmae.optimizers import SGD, Adam, Momentum
from minirmae.theory import t05_balancedness as balancedness
from minirmae.theory.lab import drift
from minirmae.theory.lab.drift import adam_imbalance, decayed_imbalance, descent_imbalance, momentum_imbalance
from minirmae.theory.lab.dynamics import train
from minirmae.theory.lab.integrator import integrate
from minirmae.theory.lab.networks import end_to_end, factors_of, imbalance, linear_network, quadratic_loss

FLOWS = ("flow: squared error", "flow: log cosh loss", "flow: decay", "flow: heavy ball")
STEPS = ("SGD: every step", "Momentum: every step")
scalars = st.floats(-1.5, 1.5)


def verdicts(checks):
    found = {}
    for check in checks:
        found[check.name] = found.get(check.name, True) and check.passed
    return found


def test_every_check_passes_on_other_seeds_too():
    checks = [*balancedness.check(seed=20, quick=True), *balancedness.check(seed=21, depth=3, quick=True)]
    assert len(checks) == 20
    assert all(check.passed for check in checks), checks
    assert {(check.seed, check.note) for check in checks} == {(20, "2 layers"), (21, "3 layers")}
    assert sum(check.speedup is not None for check in checks) == 2


@settings(max_examples=40, deadline=None)
@given(scalars, scalars, st.floats(0, 2), st.floats(0, 1))
def test_scalar_flow_decays_as_predicted(a, b, sigma, mu):
    times = np.linspace(0, 2, 5)
    path = integrate(lambda t, y: y[::-1] * (sigma - y[0] * y[1]) - mu * y, np.array([a, b]), times).states
    law = decayed_imbalance(times, np.array([[a * a - b * b]]), mu).ravel()
    np.testing.assert_allclose(path[:, 0] ** 2 - path[:, 1] ** 2, law, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.floats(0.001, 0.3), st.floats(0, 0.95), st.floats(0, 2))
@example(0, 2, 0.1, 0.0, 0.0)
def test_exact_steps_at_random_networks(seed, depth, rate, beta, mu):
    rng = np.random.default_rng(seed)
    widths = rng.integers(1, 5, depth + 1)
    factors = [rng.normal(size=shape) for shape in zip(widths[1:], widths[:-1], strict=True)]
    model = linear_network(factors)
    G = rng.normal(size=(widths[-1], widths[0]))
    objective = end_to_end(lambda W: (0.0, G))  # any loss: its gradient in W is whatever it is
    rate /= max(1.0, np.abs(G).sum()) * max(1.0, *(np.abs(W).sum() for W in factors)) ** (depth - 1)

    model.grads[...] = 0
    objective(model, np.eye(widths[0]), None)[1]()
    after = [(1 - rate * mu) * W - rate * g for W, g in zip(factors, factors_of(model, model.grads), strict=True)]
    predicted = descent_imbalance(imbalance(factors), factors_of(model, model.grads), rate, mu)
    size = max(1.0, *(np.abs(d).max() for d in predicted))
    for law, d in zip(predicted, imbalance(after), strict=True):
        np.testing.assert_allclose(law, d, atol=1e-12 * size)

    path = train(model, objective, np.eye(widths[0]), Momentum(rate, beta), 3).values
    W = [factors_of(model, row) for row in path]
    moves = [[after - before for after, before in zip(*pair, strict=True)] for pair in zip(W[1:], W[:-1], strict=True)]
    D = [imbalance(w) for w in W]
    for law, d in zip(momentum_imbalance(D[2], D[1], moves[2], moves[1], beta), D[3], strict=True):
        np.testing.assert_allclose(law, d, atol=1e-12 * size)


def test_scalar_descent_balances():
    model = linear_network([np.array([[0.2]]), np.array([[2.0]])])
    path = train(model, end_to_end(quadratic_loss(np.eye(1), np.eye(1))), np.eye(1), SGD(0.2), 50).values
    D, r = path[:, 1] ** 2 - path[:, 0] ** 2, path[:, 0] * path[:, 1] - 1
    np.testing.assert_allclose(D[1:], D[:-1] * (1 - (0.2 * r[:-1]) ** 2), rtol=1e-13)
    assert (np.diff(D) <= 1e-14).all()
    assert D[-1] < D[0] - 0.01


@pytest.mark.parametrize("beta2", [0.95, 0.999])
def test_adam_conserves_the_difference_instead(beta2):
    a, b, sigma, rate = 1.3, 0.4, 3.0, 2e-5
    model = linear_network([np.array([[b]]), np.array([[a]])])
    steps = round(0.3 / rate)
    optimizer = Adam(rate, beta2=beta2)
    path = train(model, end_to_end(quadratic_loss(np.eye(1), np.eye(1) * sigma)), np.eye(1), optimizer, steps, steps)
    (b_end, a_end) = path.values[-1]
    np.testing.assert_allclose(a_end - b_end, a - b, atol=0.01)
    np.testing.assert_allclose(a_end**2 - b_end**2, adam_imbalance(0.3, a, b, sigma), atol=0.03)
    assert abs(a_end**2 - b_end**2 - (a * a - b * b)) > 0.4


def test_adam_stops_growing_at_the_target():
    a, b, sigma = 1.0, 0.5, 2.0
    final = adam_imbalance(np.inf, a, b, sigma)
    x = np.roots([1, -(a - b), -sigma]).max()  # a with a (a - 0.5) = sigma
    np.testing.assert_allclose(final, x**2 - (x - a + b) ** 2)
    assert adam_imbalance(1.0, 1.0, 1.0, 3.0) == 0


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: balancedness.check(depth=1), "D_j compares neighbouring layers, so it needs a depth of at least 2"),
        (lambda: decayed_imbalance(1.0, np.eye(1), -0.1), "t and mu must be at least 0"),
        (lambda: decayed_imbalance(-1.0, np.eye(1), 0.1), "t and mu must be at least 0"),
        (lambda: descent_imbalance([], [np.eye(1)], 0.1), "N >= 2 layers have N - 1 imbalances"),
        (lambda: descent_imbalance([np.eye(1)] * 2, [np.eye(1)] * 2, 0.1), "got 2 and 2"),
        (lambda: momentum_imbalance([], [], [], [], 0.9), "momentum_imbalance: N >= 2 layers"),
        (lambda: adam_imbalance(1.0, -1.0, 0.5, 2.0), "positive layers below their target"),
        (lambda: adam_imbalance(1.0, 2.0, 2.0, 2.0), "positive layers below their target"),
        (lambda: adam_imbalance(-1.0, 0.5, 0.5, 2.0), "and t >= 0"),
    ],
)
def test_what_the_theorem_does_not_cover_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_loss_that_sees_more_than_the_product_is_reported(monkeypatch):
    right = balancedness.regression

    def layered(target):
        plain = right(target)

        def objective(model, x, rng=None):
            loss, backward = plain(model, x, rng)
            first = model.values[:3]

            def with_penalty():
                backward()
                model.grads[:3] += first

            return loss + first @ first / 2, with_penalty

        return objective

    monkeypatch.setattr(balancedness, "regression", layered)
    found = verdicts(balancedness.check(quick=True))
    for name in ("flow: squared error", "flow: decay", "flow: heavy ball", *STEPS):
        assert not found[name], name
    assert found["flow: log cosh loss"]


def test_a_law_without_its_second_order_is_reported(monkeypatch):
    monkeypatch.setattr(drift, "imbalance", lambda factors: [0 * d for d in imbalance(factors)])
    found = verdicts(balancedness.check(quick=True))
    assert [found[name] for name in FLOWS] == [True] * 4
    assert [found[name] for name in STEPS] == [False] * 2
    assert not found["SGD: drift, distance to rate C, rate over half rate"]


def test_wrong_factors_are_reported(monkeypatch):
    right = balancedness.decayed_imbalance
    monkeypatch.setattr(balancedness, "decayed_imbalance", lambda t, start, mu: right(t, start, mu / 2))
    monkeypatch.setattr(balancedness, "adam_imbalance", lambda t, a, b, sigma: 0 * t + a * a - b * b)
    monkeypatch.setattr(balancedness, "momentum_imbalance", lambda D, previous, moves, last, beta: D)
    found = verdicts(balancedness.check(quick=True))
    assert not found["flow: decay"]
    assert not found["Adam: scalar drift, rate over half rate"]
    assert not found["Momentum: every step"]
    assert found["SGD: every step"]


def test_too_large_a_step_is_reported(monkeypatch):
    monkeypatch.setattr(balancedness, "RATE", 0.2)
    assert not verdicts(balancedness.check(quick=True))["SGD: drift, distance to rate C, rate over half rate"]


def test_an_optimiser_that_conserves_is_not_taken_for_adam(monkeypatch):
    monkeypatch.setattr(balancedness, "Adam", lambda rate, beta2=0.0: SGD(rate))
    found = verdicts(balancedness.check(quick=True))
    assert not found["Adam: drift left at a tenth of the rate"]
    assert not found["Adam: scalar drift, rate over half rate"]


def test_the_figure_has_axes_with_names_lines_and_points():
    pytest.importorskip("matplotlib")
    drawing = balancedness.figure()
    assert len(drawing.axes) == 2
    for axis in drawing.axes:
        assert axis.get_xlabel()
        assert axis.get_ylabel()
        assert {line.get_linestyle() != "None" for line in axis.lines} == {True, False}
