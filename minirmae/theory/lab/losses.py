"""A loss of the product matrix other than the squared error, for results that hold for any loss."""

from __future__ import annotations

import numpy as np

from minirmae.arrays import Array, array_module
from minirmae.theory.lab.networks import EndToEndLoss
from minirmae.theory.lab.placement import resident


def log_cosh_loss(target: Array) -> EndToEndLoss:
    """Return `W -> (L, G)` with the sum of ln cosh of the errors: quadratic for small ones, linear for large ones.

    >>> value, G = log_cosh_loss(np.array([[1000.0]]))(np.zeros((1, 1)))
    >>> round(value, 3), G.tolist()
    (999.307, [[-1.0]])
    """

    constants = resident(target)

    def loss(W: Array) -> tuple[float, Array]:
        xp, (goal,) = array_module(W), constants(W)
        error = W - goal
        return (xp.logaddexp(error, -error) - np.log(2)).sum().item(), xp.tanh(error)

    return loss
