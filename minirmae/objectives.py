"""What a model is trained for: `loss, backward = objective(model, x, rng)`.

`backward()` adds the gradient of the loss into the model's gradients.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minirmae.backend import Array
from minirmae.layers import Layer
from minirmae.ops import mean_squared_error

Objective = Callable[[Layer, Array, np.random.Generator | None], tuple[Array, Callable[[], None]]]


def reconstruction(model: Layer, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Callable[[], None]]:
    """Mean squared error between `x` and what the model makes of it, over all entries."""
    x_hat, model_backward = model(x, rng)
    loss, loss_backward = mean_squared_error(x_hat, x)

    def backward() -> None:
        model_backward(loss_backward())

    return loss, backward
