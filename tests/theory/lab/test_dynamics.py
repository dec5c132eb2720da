import numpy as np
import pytest

from minirmae.layers import Linear, Sequential, Tanh
from minirmae.optimizers import SGD, Momentum
from minirmae.theory.lab.dynamics import gradient_flow, train
from minirmae.theory.lab.networks import end_to_end, factors_of, imbalance, linear_network, quadratic_loss, regression


@pytest.fixture
def network():
    rng = np.random.default_rng(0)
    return linear_network([0.5 * rng.normal(size=(3, 3)) for _ in range(3)])


OBJECTIVE = end_to_end(quadratic_loss(np.diag([1.0, 2.0, 0.5]), np.diag([1.0, 0.5, 1.5]), 6.0))


def test_one_layer_decays_exponentially_to_the_target():
    model = linear_network([np.zeros((2, 2))])
    target, times = np.array([[1.0, 2.0], [3.0, 4.0]]), np.linspace(0, 2, 5)
    path = gradient_flow(model, end_to_end(quadratic_loss(np.eye(2), target)), np.eye(2), times)
    exact = (1 - np.exp(-times))[:, None, None] * target
    np.testing.assert_allclose(factors_of(model, path.values)[0], exact, atol=1e-11)


def test_decay_shrinks_what_has_no_gradient():
    model = linear_network([np.ones((2, 2))])
    times = np.array([0.0, 1.5])
    path = gradient_flow(model, end_to_end(lambda W: (0.0, 0 * W)), np.eye(2), times, decay=0.7)
    np.testing.assert_allclose(path.values[-1], np.exp(-0.7 * 1.5), rtol=1e-11)
    np.testing.assert_allclose(path.losses, 0.35 * 4 * np.exp(-1.4 * times), rtol=1e-11)


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_the_energy_defect_measures_the_error(network, decay):
    times = np.linspace(0, 4, 9)
    exact = gradient_flow(network, OBJECTIVE, np.eye(3), times, decay=decay)
    assert exact.energy_defect < 1e-11
    for rtol in (1e-5, 1e-7):
        path = gradient_flow(network, OBJECTIVE, np.eye(3), times, decay=decay, rtol=rtol, atol=1e-3 * rtol)
        error = np.abs(path.values - exact.values).max()
        assert error / 30 < path.energy_defect < 30 * error


def test_a_wrong_gradient_breaks_the_energy_identity(network):
    def wrong(W):
        value, G = quadratic_loss(np.eye(3), np.eye(3))(W)
        return value, 1.01 * G

    assert gradient_flow(network, end_to_end(wrong), np.eye(3), np.array([0.0, 1.0])).energy_defect > 1e-4


def test_the_flow_conserves_the_imbalance_and_leaves_the_model_alone(network):
    before = network.values.copy()
    path = gradient_flow(network, OBJECTIVE, np.eye(3), np.linspace(0, 4, 5))
    assert (network.values == before).all()
    assert not network.grads.any()
    for D in imbalance(factors_of(network, path.values)):
        np.testing.assert_allclose(D, np.broadcast_to(D[0], D.shape), atol=1e-11)
    assert (np.diff(path.losses) < 0).all()


def test_any_model_can_flow():
    rng = np.random.default_rng(0)
    model = Sequential(Linear(3, 4, rng=rng, dtype=float), Tanh(), Linear(4, 2, rng=rng, dtype=float))
    x, y = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
    path = gradient_flow(model, regression(y), x, np.linspace(0, 3, 4))
    assert path.energy_defect < 1e-10
    assert path.losses[-1] < 0.8 * path.losses[0]


def test_training_takes_the_optimisers_steps(network):
    path = train(network, OBJECTIVE, np.eye(3), SGD(0.1), steps=5, every=2)
    assert path.times.tolist() == [0, 2, 4, 5]
    assert (network.values == path.values[-1]).all()
    assert np.isnan(path.energy_defect)
    network.values[...] = path.values[-2]
    network.grads[...] = 0
    OBJECTIVE(network, np.eye(3), None)[1]()
    np.testing.assert_array_equal(network.values - 0.1 * network.grads, path.values[-1])


def test_training_continues_with_the_optimisers_state(network):
    whole = train(network.astype(float), OBJECTIVE, np.eye(3), Momentum(0.05), 6)
    optimizer, model = Momentum(0.05), network.astype(float)
    train(model, OBJECTIVE, np.eye(3), optimizer, 2)
    rest = train(model, OBJECTIVE, np.eye(3), optimizer, 4)
    np.testing.assert_array_equal(rest.values[-1], whole.values[-1])


def test_small_steps_follow_the_flow(network):
    flow = gradient_flow(network, OBJECTIVE, np.eye(3), np.array([0.0, 1.0]))
    ends = [train(network.astype(float), OBJECTIVE, np.eye(3), SGD(1 / n), n).values[-1] for n in (100, 200)]
    errors = [np.abs(end - flow.values[-1]).max() for end in ends]
    assert 1.9 < errors[0] / errors[1] < 2.1


def test_training_needs_a_positive_number_of_steps(network):
    with pytest.raises(ValueError, match="steps must be an integer of at least 1"):
        train(network, OBJECTIVE, np.eye(3), SGD(0.1), 0)
