"""Layers: parameters that call an op.

`y, backward = layer(x, rng=None)`, and `backward(dy)` returns `dx` and adds
into the gradients of the layer's parameters. A layer keeps nothing of a
forward, so any number of them can be in flight. To write your own, subclass
`Layer`, hand your arrays to its constructor and call your op.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

import numpy as np

from minirmae import ops
from minirmae.backend import Array
from minirmae.initializers import Initializer, uniform_fan_in
from minirmae.ops.conv_transpose2d import transposed_output_size
from minirmae.ops.convolution import pair
from minirmae.ops.form import Pair, output_size
from minirmae.parameters import Parameter, Store, gather
from minirmae.validation import require_int, require_positive_int

Backward = Callable[[Array], Array]
Shape = tuple[int, ...]


class Layer:
    """Base of all layers and models.

    Args:
        parameters: arrays to train, by name.
        fixed: arrays that keep their value, by name.
        children: layers inside this one, by name, in the order of their parameters.

    Attributes:
        values: all trainable parameters of this layer and its children, one vector.
        grads: their gradients, in the same order.
        fixed: all parameters that are not trained, one vector.
    """

    def __init__(
        self,
        parameters: dict[str, Array] | None = None,
        *,
        fixed: dict[str, Array] | None = None,
        children: dict[str, Layer] | None = None,
    ) -> None:
        own = [Parameter(name, value) for name, value in (parameters or {}).items()]
        own += [Parameter(name, value, trainable=False) for name, value in (fixed or {}).items()]
        self.parameters = {p.name: p for p in own}
        self.children = dict(children or {})
        self._adopt(gather([p for _, p in self.named_parameters()]), 0, 0)

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        """Return the value at `x` and its backward.

        Args:
            x: a batch of inputs, shape (N, ...).
            rng: source of randomness in training; None to evaluate.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define __call__")

    def output_shape(self, shape: Shape) -> Shape:
        """Shape of one output sample for an input sample of `shape`, both without the batch axis."""
        return shape

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        """Yield (path, parameter) in the order of the flat vectors; a path is like `encoder.0.W`."""
        for name, parameter in self.parameters.items():
            yield prefix + name, parameter
        for name, child in self.children.items():
            yield from child.named_parameters(f"{prefix}{name}.")

    @property
    def values(self) -> Array:
        """All trainable parameters as one vector, a view."""
        return self._store.values[self._trained]

    @property
    def grads(self) -> Array:
        """All gradients as one vector, a view; set to zero with `model.grads[...] = 0`."""
        return self._store.grads[self._trained]

    @property
    def fixed(self) -> Array:
        """All parameters that are not trained as one vector, a view."""
        return self._store.fixed[self._fixed]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The parameters' dtype."""
        return self._store.values.dtype

    def astype(self, dtype: Any) -> Self:
        """Return a copy of this layer whose parameters have `dtype`, with gradients at zero."""
        values = self.values.astype(dtype)
        return self._copy(Store(values, np.zeros_like(values), self.fixed.astype(dtype)))

    def summary(self, shape: Shape) -> str:
        """Table of the layers with output shapes and parameter counts, for one input sample of `shape`."""
        rows, _ = self._rows(type(self).__name__, shape)
        rows.insert(0, ("layer", "output", "parameters"))
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
        total = f"{self.values.size:,} trainable parameters"
        return "\n".join([*lines, total + (f", {self.fixed.size:,} fixed" if self.fixed.size else "")])

    def _rows(self, name: str, shape: Shape) -> tuple[list[tuple[str, str, str]], Shape]:
        """Rows of the summary for this layer, and its output shape."""
        if not self.children:
            output = self.output_shape(shape)
            count = self.values.size + self.fixed.size
            label = name if name == type(self).__name__ else f"{name} {type(self).__name__}"
            return [(label, " x ".join(map(str, output)), f"{count:,}" if count else "")], output
        rows: list[tuple[str, str, str]] = []
        for child_name, child in self.children.items():
            path = child_name if name == type(self).__name__ else f"{name}.{child_name}"
            child_rows, shape = child._rows(path, shape)
            rows += child_rows
        return rows, shape

    def _adopt(self, store: Store, trained: int, fixed: int) -> tuple[int, int]:
        """Take the stretches of `store` that start here; return where they end."""
        start = trained, fixed
        for p in self.parameters.values():
            trained, fixed = (trained + p.size, fixed) if p.trainable else (trained, fixed + p.size)
        for child in self.children.values():
            trained, fixed = child._adopt(store, trained, fixed)
        self._store, self._trained, self._fixed = store, slice(start[0], trained), slice(start[1], fixed)
        return trained, fixed

    def _copy(self, store: Store) -> Self:
        """Copy the tree of layers onto `store`, which holds this layer's vectors and nothing else."""
        clone = copy.deepcopy(self, {id(self._store): store})
        offset = self._trained.start, self._fixed.start
        for _, p in clone.named_parameters():
            p._start -= offset[0] if p.trainable else offset[1]
        clone._adopt(store, 0, 0)
        return clone


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
                W.grad[...] += dfactors if len(W.value) == self.layers else dfactors.sum(axis=0)
            return dx

        return y, backward

    def factors(self) -> Array:
        """The l matrices in the order they are applied, shape (l, n, n)."""
        return np.broadcast_to(self.parameters["W"].value, (self.layers, self.n, self.n))

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
            return ops.dropout(x, np.ones(x.shape, dtype=bool), 0.0)
        keep = np.asarray(rng.random(x.shape) >= self.rate)
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
            parameter.grad[...] += gradient
        return dx

    return y, backward
