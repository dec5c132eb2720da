"""One training step: the loss of a batch, its gradient, and the optimiser's update."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minirmae.arrays import Array, array_module, asnumpy
from minirmae.layers import Layer
from minirmae.optimizers import Optimizer

Update = Callable[[], None]
ObjectiveBackward = Callable[[], Update | None]
Objective = Callable[[Any, Any, np.random.Generator | None], tuple[Array, ObjectiveBackward]]
"""What a model is trained for: `loss, backward = objective(model, x, rng)`.

`backward()` adds the gradient of the loss into the model's gradients. Where training moves something without a
gradient, a moving average say, it returns a function `update`, called after the optimiser's step; what that changes
lives in `model.fixed`, so that a checkpoint has it. `rng` is the noise of training; None evaluates.
"""


class NonFiniteLoss(ValueError):
    """A training has diverged: a loss, a gradient or a parameter is infinite or not a number."""


def take_step(model: Layer, objective: Objective, optimizer: Optimizer, x: Any, rng: np.random.Generator) -> float:
    """Take one step of `model` on the batch `x` and return the loss before it.

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
    what = f"the loss is {value:g}"
    if math.isfinite(value):
        if grads is None or bool(asnumpy(array_module(grads).isfinite(grads).all())):
            return
        what += ", but its gradient is not finite"
    raise NonFiniteLoss(
        f"training stopped at step {optimizer.steps + 1}: {what} (learning rate {optimizer.current_rate():g}). "
        "Lower the learning rate, or train in float64 if the numbers are that large."
    )
