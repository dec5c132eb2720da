"""Layers with weights: an op, called with the layer's parameters, whose gradients its backward adds up.

Options of all: `rng`, the source of the weights; `bias` (True); `initializer`, see `minirmae.initializers`; `dtype`
(float32). `op` is an attribute: an engine can put a faster one in its place.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minirmae import ops
from minirmae.arrays import Array, array_module
from minirmae.layers.layer import Backward, Layer
from minirmae.ops.convolution import Pixels, pair
from minirmae.validation import require_int, require_positive_int

Initializer = Callable[[np.random.Generator, tuple[int, ...], int, int], Array]


def uniform_fan_in(rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Array:
    """Uniform in [-1/sqrt(fan_in), 1/sqrt(fan_in)]: the frameworks' default, on which IRMAE relies."""
    return rng.uniform(-1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in), shape)


class Affine(Layer):
    """`y = op(x, W, b, **options)`, with W of `shape` and b (outputs,)."""

    op: Callable[..., Any]
    options: dict[str, Any]

    def __init__(
        self, shape: tuple[int, ...], outputs: int, *, rng: np.random.Generator, bias: bool = True,
        initializer: Initializer = uniform_fan_in, dtype: Any = np.float32
    ) -> None:  # fmt: skip
        fans = math.prod(shape[:-1]), math.prod(shape[:-2]) * shape[-1]
        arrays = {"W": initializer(rng, shape, *fans).astype(dtype)}
        if bias:
            arrays["b"] = uniform_fan_in(rng, (outputs,), *fans).astype(dtype)
        super().__init__(arrays)
        self.outputs, self.options = outputs, {}

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        parameters = self.parameters.values()
        y, op_backward = self.op(x, *(p.value for p in parameters), **self.options)

        def backward(dy: Array) -> Array:
            dx, *gradients = op_backward(dy)
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad[...] += gradient
            return dx

        return y, backward


class Linear(Affine):
    """Affine map of vectors, W (inputs, outputs), b (outputs,); see `ops.linear`. ValueError for a size below 1."""

    op = staticmethod(ops.linear)

    def __init__(self, inputs: int, outputs: int, **options: Any) -> None:
        require_positive_int("Linear", inputs=inputs, outputs=outputs)
        super().__init__((inputs, outputs), outputs, **options)


class Conv2d(Affine):
    """Convolution of images (N, H, W, inputs), W (KH, KW, inputs, outputs), b (outputs,); see `ops.conv2d`."""

    op = staticmethod(ops.conv2d)

    def __init__(
        self, inputs: int, outputs: int, kernel: Pixels, *, stride: Pixels = 1, padding: Pixels = 0, **options: Any
    ) -> None:
        require_positive_int("Conv2d", inputs=inputs, outputs=outputs)
        self.kernel = pair("Conv2d", "kernel", kernel, 1)
        super().__init__((*self.kernel, inputs, outputs), outputs, **options)
        self.options = {"stride": pair("Conv2d", "stride", stride, 1), "padding": pair("Conv2d", "padding", padding, 0)}


class ConvTranspose2d(Affine):
    """Transposed convolution of images (N, H, W, inputs), W (KH, KW, outputs, inputs); see `ops.conv_transpose2d`."""

    op = staticmethod(ops.conv_transpose2d)

    def __init__(
        self, inputs: int, outputs: int, kernel: Pixels, *, stride: Pixels = 1, padding: Pixels = 0,
        output_padding: Pixels = 0, **options: Any
    ) -> None:  # fmt: skip
        require_positive_int("ConvTranspose2d", inputs=inputs, outputs=outputs)
        self.kernel = pair("ConvTranspose2d", "kernel", kernel, 1)
        super().__init__((*self.kernel, outputs, inputs), outputs, **options)
        geometry = ("stride", stride, 1), ("padding", padding, 0), ("output_padding", output_padding, 0)
        self.options = {name: pair("ConvTranspose2d", name, value, low) for name, value, low in geometry}


class LinearStack(Layer):
    """`layers` square linear maps (n, n) without bias in a row: IRMAE's extra layers; see `ops.linear_stack`.

    The paper's ablations: `shared` is one weight, used l times; not `trainable` keeps the random weights as they are.
    """

    op = staticmethod(ops.linear_stack)

    def __init__(
        self, n: int, layers: int, *, rng: np.random.Generator, shared: bool = False, trainable: bool = True,
        initializer: Initializer = uniform_fan_in, dtype: Any = np.float32
    ) -> None:  # fmt: skip
        require_positive_int("LinearStack", n=n)
        require_int("LinearStack", "layers", layers, 0)
        W = np.empty((min(layers, 1) if shared else layers, n, n), dtype=dtype)
        for i in range(len(W)):
            W[i] = initializer(rng, (n, n), n, n)
        super().__init__({"W": W} if trainable else {}, fixed={} if trainable else {"W": W})
        self.n, self.layers = n, layers

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        y, op_backward = self.op(x, self.factors())

        def backward(dy: Array) -> Array:
            dx, dfactors = op_backward(dy)
            self.add_gradient(dfactors)
            return dx

        return y, backward

    def add_gradient(self, dfactors: Array) -> None:
        """Add the gradient of `factors`; a shared weight is one argument used l times, so its gradients add up."""
        W = self.parameters["W"]
        if W.trainable:
            W.grad[...] += dfactors if len(W.value) == self.layers else dfactors.sum(axis=0)

    def factors(self) -> Array:
        """The l matrices in the order in which they are applied, shape (l, n, n)."""
        W = self.parameters["W"].value
        return array_module(W).broadcast_to(W, (self.layers, self.n, self.n))

    def collapse(self) -> Array:
        """The one (n, n) matrix `W_1 W_2 ... W_l` that does what the stack does."""
        factors = self.factors()
        return ops.linear_stack(array_module(factors).eye(self.n, dtype=factors.dtype), factors)[0]
