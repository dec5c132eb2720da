"""One training step: the loss of a batch, its gradient, and the optimiser's update."""

import math
from typing import Any

import numpy as np

from minirmae.arrays import Array, array_module, asnumpy
from minirmae.layers import Layer
from minirmae.optimizers import Optimizer


class NonFiniteLoss(ValueError):
    """A training has diverged: a loss, a gradient or a parameter is infinite or not a number."""


def take_step(model: Layer, objective: Any, optimizer: Optimizer, x: Any, rng: np.random.Generator) -> float:
    """Take one step of `model` on the batch `x` and return the loss before it; see `minirmae.objectives`.

    Raises NonFiniteLoss if the loss or its gradient is not finite; the parameters have not been changed then.
    """
    # Overflow is looked for in the result; NumPy's warnings on the way would only hide the message.
    with np.errstate(over="ignore", invalid="ignore"):
        loss, backward = objective(model, x, rng)
        require_finite(optimizer, loss)
        model.zero_grads()
        update = backward()
        require_finite(optimizer, loss, model.grads)
    optimizer.step(model.values, model.grads)
    if update is not None:
        update()
    return float(asnumpy(loss))


def require_finite(optimizer: Optimizer, loss: Any, grads: Array | None = None) -> None:
    """Raise NonFiniteLoss, which names the step that `optimizer` would take, unless loss and gradient are finite."""
    value = float(asnumpy(loss))
    if not math.isfinite(value) or not (grads is None or asnumpy(array_module(grads).isfinite(grads).all())):
        what = f"the loss is {value:g}" + (", but its gradient is not finite" if math.isfinite(value) else "")
        where = f"step {optimizer.steps + 1}: {what} (learning rate {optimizer.rate_at(optimizer.steps):g})"
        advice = "Lower the learning rate, or train in float64 if the numbers are that large."
        raise NonFiniteLoss(f"training stopped at {where}. {advice}")
