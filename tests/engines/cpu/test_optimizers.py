"""The engine's updates are the optimisers' steps, in pieces and in place."""

import numpy as np
import pytest

from minirmae.engines.cpu import optimizers, parallel
from minirmae.optimizers import SGD, Adam, AdamW, Momentum


class Signed(SGD):
    """An optimiser of a user's own."""

    def update(self, values, grads, rate, *state):
        values -= rate * np.sign(grads)


MAKERS = [
    lambda: SGD(0.1),
    lambda: Signed(0.1),
    lambda: Momentum(0.1, 0.7),
    lambda: Adam(0.01, 0.8, 0.95, 1e-3),
    lambda: AdamW(0.01, weight_decay=0.3),
]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("block", [1, 7, 1000])
def test_steps_are_those_of_the_reference(make, block, monkeypatch):
    monkeypatch.setattr(parallel, "VECTOR_BLOCK", block)
    rng = np.random.default_rng(0)
    values = rng.normal(size=50)
    expected, reference, optimizer = values.copy(), make(), make()
    for _ in range(4):
        grads = rng.normal(size=50)
        reference.step(expected, grads)
        rate = optimizer.advance(values)
        optimizers.update(optimizer, values, grads[:20], rate)
        optimizers.update(optimizer, values, grads[20:], rate, 20)
    np.testing.assert_allclose(values, expected, rtol=1e-12)
    for name, moment in reference.moments.items():
        np.testing.assert_allclose(optimizer.moments[name], moment, rtol=1e-13)
