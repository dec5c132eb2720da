import numpy as np
import pytest

from minirmae.optimizers import SGD
from minirmae.theory.lab.modes import random_modes
from minirmae.theory.lab.networks import product
from minirmae.theory.lab.simulation import flow_modes, train_modes

STRENGTHS = np.array([[0.5, 0.2, 0.3], [0.4, 0.6, 0.1], [0.3, 0.3, 0.9]])


@pytest.fixture
def modes():
    return random_modes(np.random.default_rng(0), 5, 3)


def test_the_flow_starts_at_the_product_of_the_strengths_and_stays_aligned(modes):
    run = flow_modes(modes, STRENGTHS, [4, 6], np.linspace(0, 3, 4), np.random.default_rng(1))
    np.testing.assert_allclose(run.strengths[0], STRENGTHS.prod(axis=0), rtol=1e-13)
    assert run.coupling < 1e-12
    assert [f.shape for f in run.factors] == [(4, 4, 5), (4, 6, 4), (4, 3, 6)]
    np.testing.assert_allclose(product(run.factors)[-1], (modes.U * run.strengths[-1]) @ modes.V.T, atol=1e-12)
    assert run.path.losses[-1] < run.path.losses[0]
    assert run.path.energy_defect < 1e-11


def test_the_hidden_bases_do_not_matter(modes):
    runs = [flow_modes(modes, STRENGTHS, [4, 6], np.array([0.0, 2.0]), rng) for rng in (None, np.random.default_rng(3))]
    np.testing.assert_allclose(runs[0].strengths, runs[1].strengths, atol=1e-11)


def test_training_on_samples_follows_the_flow(modes):
    rng = np.random.default_rng(2)
    run = train_modes(modes, STRENGTHS, [4, 6], SGD(1e-3), 1000, rng, every=500)
    flow = flow_modes(modes, STRENGTHS, [4, 6], 1e-3 * run.path.times, rng)
    np.testing.assert_allclose(run.strengths, flow.strengths, atol=3e-3)
    np.testing.assert_allclose(run.path.losses, flow.path.losses, atol=3e-3)
    assert run.coupling < 1e-12


def test_the_loss_vanishes_at_the_solution(modes):
    solution = np.stack([modes.sigma / modes.lam, np.ones(3)])
    run = flow_modes(modes, solution, [3], np.array([0.0, 1.0]))
    np.testing.assert_allclose(run.path.losses, 0, atol=1e-14)
