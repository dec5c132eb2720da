"""Simulations on a device, by the strict stand-in: constants are copied once, and everything comes back."""

import device_stand_in as stand_in
import numpy as np

from minirmae.arrays import asarray, device_of
from minirmae.optimizers import Momentum
from minirmae.theory import registry
from minirmae.theory.lab.dynamics import train
from minirmae.theory.lab.networks import linear_network, regression
from minirmae.theory.lab.placement import resident, simulation_device, simulations_on

DEVICE = "stand-in"


def test_resident_constants_are_copied_once():
    constants = resident(np.eye(2))
    there = asarray(np.ones((2, 2)), DEVICE)
    before = stand_in.transferred()
    assert device_of(constants(there)[0]) == "stand-in:0"
    assert constants(there)[0] is constants(there)[0]
    assert stand_in.transferred() - before == 1


def test_simulations_come_back_to_where_they_were():
    with simulations_on(DEVICE):
        assert simulation_device("cpu") == "stand-in:0"
    assert simulation_device("cpu") == "cpu"
    before = stand_in.transferred()
    registry.run(["two-layer"], quick=True)
    assert stand_in.transferred() == before


def test_training_runs_of_the_theory_continue_on_either_side():
    """The optimiser's state follows the simulation to the device and back."""
    x = np.random.default_rng(0).standard_normal((6, 3))

    def three_runs(devices):
        model = linear_network([np.eye(3), 0.5 * np.eye(3)])
        optimizer, losses = Momentum(0.05), []
        for device in devices:
            with simulations_on(device):
                losses.append(train(model, regression(2 * x), x, optimizer, 4).losses)
        assert model.device == "cpu"
        assert device_of(optimizer.moments["velocity"]) == "cpu"
        return np.concatenate(losses)

    exact = three_runs(("cpu", "cpu", "cpu"))
    np.testing.assert_allclose(three_runs((DEVICE, "cpu", DEVICE)), exact, rtol=1e-13)
