"""Convolutions of images, and their adjoints."""

from __future__ import annotations

from typing import Any

import numpy as np

from minirmae import ops
from minirmae.arrays import Array
from minirmae.engines.cpu.form import output_size
from minirmae.engines.cpu.patches import Pair
from minirmae.initializers import Initializer, uniform_fan_in
from minirmae.layers.apply import apply
from minirmae.layers.backward import Backward
from minirmae.layers.layer import Layer, Shape
from minirmae.ops.conv_transpose2d import transposed_output_size
from minirmae.ops.convolution import pair
from minirmae.validation import require_positive_int


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
        return self._apply(x, relu=False)

    def rectified(self, x: Array) -> tuple[Array, Backward]:
        """This layer and a ReLU after it, in one."""
        return self._apply(x, relu=True)

    def _apply(self, x: Array, relu: bool) -> tuple[Array, Backward]:
        return apply(ops.conv2d, x, self.parameters, stride=self.stride, padding=self.padding, relu=relu)

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
        return self._apply(x, relu=False)

    def rectified(self, x: Array) -> tuple[Array, Backward]:
        """This layer and a ReLU after it, in one."""
        return self._apply(x, relu=True)

    def _apply(self, x: Array, relu: bool) -> tuple[Array, Backward]:
        geometry = {"stride": self.stride, "padding": self.padding, "output_padding": self.output_padding}
        return apply(ops.conv_transpose2d, x, self.parameters, **geometry, relu=relu)

    def output_shape(self, shape: Shape) -> Shape:
        size = transposed_output_size((shape[0], shape[1]), self.kernel, self.stride, self.padding, self.output_padding)
        return (*size, self.outputs)
