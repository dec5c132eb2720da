"""Linear maps of vectors, one or many in a row."""

from __future__ import annotations

from typing import Any

import numpy as np

from minirmae import ops
from minirmae.arrays import Array, array_module
from minirmae.initializers import Initializer, uniform_fan_in
from minirmae.layers.apply import apply
from minirmae.layers.backward import Backward
from minirmae.layers.layer import Layer, Shape
from minirmae.validation import require_int, require_positive_int


class Linear(Layer):
    """Affine map `y = x W + b`; W has shape (inputs, outputs), b (outputs,).

    Raises ValueError if a size is not a positive integer.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        rng: np.random.Generator,
        bias: bool = True,
        initializer: Initializer = uniform_fan_in,
        dtype: Any = np.float32,
    ) -> None:
        require_positive_int("Linear", inputs=inputs, outputs=outputs)
        arrays = {"W": initializer(rng, (inputs, outputs), inputs, outputs).astype(dtype)}
        if bias:
            arrays["b"] = uniform_fan_in(rng, (outputs,), inputs, outputs).astype(dtype)
        super().__init__(arrays)
        self.inputs, self.outputs = inputs, outputs

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        return apply(ops.linear, x, self.parameters)

    def output_shape(self, shape: Shape) -> Shape:
        return (self.outputs,)


class LinearStack(Layer):
    """`l` square linear maps without bias in a row: IRMAE's extra layers.

    Args:
        n: width.
        layers: l; 0 is the identity.
        rng: source of the initial weights, each uniform in +-1/sqrt(n) unless `initializer` says otherwise.
        shared: one weight, used l times.
        trainable: False keeps the random weights as they are.

    The two options are the paper's ablations. Raises ValueError if a size is not valid.
    """

    def __init__(
        self,
        n: int,
        layers: int,
        *,
        rng: np.random.Generator,
        shared: bool = False,
        trainable: bool = True,
        initializer: Initializer = uniform_fan_in,
        dtype: Any = np.float32,
    ) -> None:
        require_positive_int("LinearStack", n=n)
        require_int("LinearStack", "layers", layers, 0)
        count = min(layers, 1) if shared else layers
        W = np.empty((count, n, n), dtype=dtype)
        for i in range(count):
            W[i] = initializer(rng, (n, n), n, n)
        super().__init__(*([{"W": W}] if trainable else []), fixed=None if trainable else {"W": W})
        self.n, self.layers = n, layers

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        W = self.parameters["W"]
        y, op_backward = ops.linear_stack(x, self.factors())

        def backward(dy: Array) -> Array:
            if len(W.value) != self.layers:
                # A shared weight is one argument used l times: its gradients add up.
                dx, dfactors = op_backward(dy)
                if W.trainable:
                    W.add_grad(dfactors.sum(axis=0))
                return dx
            room = W.claim_grad()
            dx, dfactors = op_backward(dy, out=room)
            if W.trainable and room is None:
                W.add_grad(dfactors)
            return dx

        return y, backward

    def factors(self) -> Array:
        """The l matrices in the order they are applied, shape (l, n, n)."""
        W = self.parameters["W"].value
        factors: Array = array_module(W).broadcast_to(W, (self.layers, self.n, self.n))
        return factors

    def collapse(self) -> Array:
        """The one (n, n) matrix that does what the stack does."""
        return ops.collapse(self.factors())
