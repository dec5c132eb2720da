"""The way back through a layer, and how to go it without the gradient of the input.

The first layer of a model is fed with data, and nobody asks for their gradient.
In a convolution of large images it costs as much as the layer's forward.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minirmae.arrays import Array

Backward = Callable[[Array], Array]


class SparingBackward:
    """A backward that can spare the gradient of its input.

    Args:
        run: called as `run(dy, input_gradient)`; adds the parameters' gradients, and returns `dx`, or None where
            `input_gradient` is False.
    """

    def __init__(self, run: Callable[[Array, bool], Any]) -> None:
        self.run = run

    def __call__(self, dy: Array) -> Array:
        return self.run(dy, True)


def parameter_gradients(backward: Backward, dy: Array) -> None:
    """Run a backward for the gradients of the parameters alone, because the input is data; `dx` is spared if it can be.

    >>> import numpy as np
    >>> from minirmae.layers import Linear
    >>> layer = Linear(2, 1, rng=np.random.default_rng(0))
    >>> y, backward = layer(np.ones((3, 2), np.float32))
    >>> parameter_gradients(backward, np.ones_like(y))
    >>> layer.grads
    array([3., 3., 3.], dtype=float32)
    """
    sparingly(backward, dy, False)


def sparingly(backward: Backward, dy: Array, input_gradient: bool) -> Array | None:
    """Run a backward, where `input_gradient` is False without the gradient of the input if it can spare that."""
    return backward.run(dy, input_gradient) if isinstance(backward, SparingBackward) else backward(dy)
