"""A layer that is its op, called with its parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minirmae.arrays import Array
from minirmae.layers.backward import Backward, SparingBackward
from minirmae.layers.parameters import Parameter


def apply(
    op: Callable[..., tuple[Array, Callable[..., tuple[Array, ...]]]],
    x: Array,
    parameters: dict[str, Parameter],
    **options: Any,
) -> tuple[Array, Backward]:
    """Return the value of `op(x, *parameters)`, and a backward that adds the parameters' gradients and returns `dx`.

    The first parameter is the large one, the weights: its gradient is written where it belongs, if it is the first.
    """
    y, op_backward = op(x, *(p.value for p in parameters.values()), **options)

    def run(dy: Array, input_gradient: bool) -> Array | None:
        weights, *others = parameters.values()
        room = weights.claim_grad()
        dx, dW, *gradients = op_backward(dy, out=room, input_gradient=input_gradient)
        if room is None:
            weights.add_grad(dW)
        for parameter, gradient in zip(others, gradients, strict=True):
            parameter.add_grad(gradient)
        return dx

    return y, SparingBackward(run)
