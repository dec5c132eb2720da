"""The counts of a step."""

import numpy as np

from minirmae.engines.cuda.roofline import costs, step_launches, table
from minirmae.layers import Conv2d, ConvTranspose2d, Flatten, Linear, LinearStack, ReLU, Reshape, Sequential
from minirmae.models.autoencoder import ModelConfig, build
from minirmae.report.benchmark import forward_operations


def test_arithmetic_is_that_of_the_benchmark():
    """Three products a layer, but no gradient of the images; without padding, whose zeros only the launches count."""
    rng = np.random.default_rng(0)
    layers = [
        Conv2d(3, 8, 4, stride=2, rng=rng),
        ReLU(),
        Flatten(),
        Linear(288, 6, rng=rng),
        LinearStack(6, 3, rng=rng),
    ]
    model = Sequential(*layers, Reshape((1, 1, 6)), ConvTranspose2d(6, 3, 14, rng=rng))
    launches = step_launches(model, (14, 14, 3), 5)
    products = sum(launch.flops for launch in launches if launch.tile or launch.kernel == "chain")
    first = forward_operations(layers[0], (14, 14, 3))
    assert products == 5 * (3 * forward_operations(model, (14, 14, 3)) - first)


def test_replicas_cost_as_many_times_as_much_in_as_many_launches():
    model = build(ModelConfig.paper("mnist"), np.random.default_rng(0))
    one, five = (costs(step_launches(model, (32, 32, 1), 32, replicas=r)) for r in (1, 5))
    for a, b in zip(one, five, strict=True):
        assert (a.kernel, a.launches, 5 * a.flops, 5 * a.bytes) == (b.kernel, b.launches, b.flops, b.bytes)


def test_the_table_adds_up():
    model = build(ModelConfig.paper("shapes"), np.random.default_rng(0))
    launches = step_launches(model, (32, 32, 3), 4)
    assert f"| all | {len(launches)} |" in table(launches)
