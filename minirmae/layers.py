"""Layers: parameters that call an op.

To write your own, subclass `Layer`, hand your arrays to its constructor and
call your op.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minirmae import ops
from minirmae.backend import Array, array_module, asarray, device_of
from minirmae.initializers import Initializer, uniform_fan_in
from minirmae.layer import Backward, Layer, Shape
from minirmae.ops.conv_transpose2d import transposed_output_size
from minirmae.ops.convolution import pair
from minirmae.ops.form import output_size
from minirmae.ops.patches import Pair
from minirmae.parameters import Parameter
from minirmae.validation import require_int, require_positive_int

__all__ = [
    "Backward",
    "Conv2d",
    "ConvTranspose2d",
    "Dropout",
    "Flatten",
    "Layer",
    "LeakyReLU",
    "Linear",
    "LinearStack",
    "ReLU",
    "Reshape",
    "Sequential",
    "Shape",
    "Sigmoid",
    "Tanh",
]


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
        return _apply(ops.linear, x, self.parameters)

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
            dx, dfactors = op_backward(dy)
            if W.trainable:
                # A shared weight is one argument used l times: its gradients add up.
                W.add_grad(dfactors if len(W.value) == self.layers else dfactors.sum(axis=0))
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


class Conv2d(Layer):
    """Convolution of images (N, H, W, C_in), kernel (KH, KW, C_in, C_out); see `ops.conv2d`."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int | Pair,
        *,
        rng: np.random.Generator,
        stride: int | Pair = 1,
        padding: int | Pair = 0,
        bias: bool = True,
        initializer: Initializer = uniform_fan_in,
        dtype: Any = np.float32,
    ) -> None:
        require_positive_int("Conv2d", inputs=inputs, outputs=outputs)
        KH, KW = pair("Conv2d", "kernel", kernel, 1)
        fans = KH * KW * inputs, KH * KW * outputs
        arrays = {"W": initializer(rng, (KH, KW, inputs, outputs), *fans).astype(dtype)}
        if bias:
            arrays["b"] = uniform_fan_in(rng, (outputs,), *fans).astype(dtype)
        super().__init__(arrays)
        self.kernel, self.outputs = (KH, KW), outputs
        self.stride, self.padding = pair("Conv2d", "stride", stride, 1), pair("Conv2d", "padding", padding, 0)

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        return _apply(ops.conv2d, x, self.parameters, stride=self.stride, padding=self.padding)

    def output_shape(self, shape: Shape) -> Shape:
        return (*output_size((shape[0], shape[1]), self.kernel, self.stride, self.padding), self.outputs)


class ConvTranspose2d(Layer):
    """Transposed convolution of images (N, H, W, C_in), kernel (KH, KW, C_out, C_in); see `ops.conv_transpose2d`.

    The fan-in of the default initialiser is `C_out KH KW`, that of the
    convolution whose adjoint this is, as the frameworks compute it.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int | Pair,
        *,
        rng: np.random.Generator,
        stride: int | Pair = 1,
        padding: int | Pair = 0,
        output_padding: int | Pair = 0,
        bias: bool = True,
        initializer: Initializer = uniform_fan_in,
        dtype: Any = np.float32,
    ) -> None:
        require_positive_int("ConvTranspose2d", inputs=inputs, outputs=outputs)
        KH, KW = pair("ConvTranspose2d", "kernel", kernel, 1)
        fans = KH * KW * outputs, KH * KW * inputs
        arrays = {"W": initializer(rng, (KH, KW, outputs, inputs), *fans).astype(dtype)}
        if bias:
            arrays["b"] = uniform_fan_in(rng, (outputs,), *fans).astype(dtype)
        super().__init__(arrays)
        self.kernel, self.outputs = (KH, KW), outputs
        self.stride = pair("ConvTranspose2d", "stride", stride, 1)
        self.padding = pair("ConvTranspose2d", "padding", padding, 0)
        self.output_padding = pair("ConvTranspose2d", "output_padding", output_padding, 0)

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        geometry = {"stride": self.stride, "padding": self.padding, "output_padding": self.output_padding}
        return _apply(ops.conv_transpose2d, x, self.parameters, **geometry)

    def output_shape(self, shape: Shape) -> Shape:
        size = transposed_output_size((shape[0], shape[1]), self.kernel, self.stride, self.padding, self.output_padding)
        return (*size, self.outputs)


class ReLU(Layer):
    """Rectifier `max(x, 0)`."""

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        return ops.relu(x)


class LeakyReLU(Layer):
    """Leaky rectifier: `slope * x` where x is not positive."""

    def __init__(self, slope: float = 0.01) -> None:
        super().__init__()
        self.slope = slope

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        return ops.leaky_relu(x, self.slope)


class Sigmoid(Layer):
    """Logistic function."""

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        return ops.sigmoid(x)


class Tanh(Layer):
    """Hyperbolic tangent."""

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        return ops.tanh(x)


class Reshape(Layer):
    """Give every sample the shape `shape`."""

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.shape = tuple(shape)

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        return ops.reshape(x, self.shape)

    def output_shape(self, shape: Shape) -> Shape:
        return self.shape


class Flatten(Layer):
    """Make every sample a vector."""

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        return ops.flatten(x)

    def output_shape(self, shape: Shape) -> Shape:
        return (int(np.prod(shape)),)


class Dropout(Layer):
    """Drop entries with probability `rate` when given an rng; the identity without one."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"Dropout: rate must be in [0, 1), came {rate!r}")
        self.rate = rate

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        if rng is None:
            return ops.dropout(x, array_module(x).ones(x.shape, dtype=bool), 0.0)
        keep = asarray(rng.random(x.shape) >= self.rate, device_of(x))
        return ops.dropout(x, keep, self.rate)


class Sequential(Layer):
    """Layers one after the other: the chain rule.

    >>> rng = np.random.default_rng(0)
    >>> model = Sequential(Linear(4, 3, rng=rng), ReLU(), Linear(3, 2, rng=rng))
    >>> print(model.summary((4,)))
    layer     output  parameters
    0 Linear  3               15
    1 ReLU    3
    2 Linear  2                8
    23 trainable parameters
    """

    def __init__(self, *layers: Layer) -> None:
        super().__init__(children={str(i): layer for i, layer in enumerate(layers)})

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        if not self.children:
            return ops.reshape(x, x.shape[1:])  # the identity, as a copy like every op's result
        backwards = []
        for name, layer in self.children.items():
            try:
                x, layer_backward = layer(x, rng)
            except (ValueError, TypeError) as error:
                error.add_note(f"in layer {name} ({type(layer).__name__}) of {type(self).__name__}")
                raise
            backwards.append(layer_backward)

        def backward(dy: Array) -> Array:
            for layer_backward in reversed(backwards):
                dy = layer_backward(dy)
            return dy

        return x, backward

    def output_shape(self, shape: Shape) -> Shape:
        for layer in self.children.values():
            shape = layer.output_shape(shape)
        return shape


def _apply(
    op: Callable[..., tuple[Array, Callable[[Array], tuple[Array, ...]]]],
    x: Array,
    parameters: dict[str, Parameter],
    **options: Any,
) -> tuple[Array, Backward]:
    """Call `op(x, *parameters)`; its backward adds the parameters' gradients and returns `dx`."""
    y, op_backward = op(x, *(p.value for p in parameters.values()), **options)

    def backward(dy: Array) -> Array:
        dx, *gradients = op_backward(dy)
        for parameter, gradient in zip(parameters.values(), gradients, strict=True):
            parameter.add_grad(gradient)
        return dx

    return y, backward
