"""Hypothesis strategies for what convolutions are wrong about: their geometry.

Square kernels, equal strides and sizes that divide evenly hide most mistakes.
`geometries` draws the others on purpose: KH against KW, SH against SW,
paddings up to the kernel's size, rows and columns that no window reaches,
batches of one and of none. Needs the `hypothesis` package.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from minirmae.arrays import Array

Pair = tuple[int, int]


@dataclass(frozen=True)
class Geometry:
    """The sizes of a convolution, and of the transposed convolution that is its adjoint.

    Attributes:
        N: images in the batch.
        size: (H, W) of the convolution's input, the transposed one's output.
        output: (OH, OW) of the convolution's output, the transposed one's input.
        channels: (C_in, C_out) of the convolution.
        kernel, stride, padding: (height, width) of each.
        remainder: rows and columns of the padded input that no window reaches;
            the transposed convolution needs them as its output padding.
    """

    N: int
    size: Pair
    output: Pair
    channels: Pair
    kernel: Pair
    stride: Pair
    padding: Pair
    remainder: Pair

    @property
    def x_shape(self) -> tuple[int, int, int, int]:
        """Shape (N, H, W, C_in) of the big image."""
        return self.N, *self.size, self.channels[0]

    @property
    def y_shape(self) -> tuple[int, int, int, int]:
        """Shape (N, OH, OW, C_out) of the small image."""
        return self.N, *self.output, self.channels[1]

    @property
    def W_shape(self) -> tuple[int, int, int, int]:
        """Shape (KH, KW, C_in, C_out) of the kernel, for both convolutions."""
        return *self.kernel, *self.channels


@st.composite
def geometries(
    draw: st.DrawFn,
    *,
    min_batch: int = 0,
    max_batch: int = 2,
    max_output: int = 3,
    max_channels: int = 3,
    max_kernel: int = 4,
    max_stride: int = 3,
    max_padding: int | None = None,
    rectangular: bool = False,
) -> Geometry:
    """Draw a `Geometry` whose convolution has at least one output pixel.

    Args:
        min_batch, max_batch: range of N; 0 is the empty batch.
        max_output: largest OH and OW.
        max_channels: largest number of channels on either side.
        max_kernel, max_stride: largest kernel and stride.
        max_padding: largest padding; None allows up to the kernel's size, at
            which whole windows lie in the padding.
        rectangular: demand KH != KW and SH != SW, so that no two axes can be swapped unnoticed.
    """
    kernel, stride = draw(_pairs(max_kernel, rectangular)), draw(_pairs(max_stride, rectangular))
    vertical = draw(_axes(kernel[0], stride[0], max_output, max_padding))
    horizontal = draw(_axes(kernel[1], stride[1], max_output, max_padding))
    size, output, padding, remainder = zip(vertical, horizontal, strict=True)
    channels = draw(st.tuples(st.integers(1, max_channels), st.integers(1, max_channels)))
    return Geometry(draw(st.integers(min_batch, max_batch)), size, output, channels, kernel, stride, padding, remainder)


def arrays_like(*shapes: tuple[int, ...], seed: int = 0) -> list[Array]:
    """Standard normal float64 arrays of the given shapes: a geometry is drawn, its numbers need not be."""
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.standard_normal(shape)) for shape in shapes]


def _pairs(largest: int, different: bool) -> st.SearchStrategy[Pair]:
    pairs = st.tuples(st.integers(1, largest), st.integers(1, largest))
    return pairs.filter(lambda pair: pair[0] != pair[1]) if different else pairs


@st.composite
def _axes(draw: st.DrawFn, kernel: int, stride: int, max_output: int, max_padding: int | None) -> tuple[int, ...]:
    """(input, output, padding, remainder) of one axis, built from the output backwards."""
    padding = draw(st.integers(0, kernel if max_padding is None else min(kernel, max_padding)))
    remainder = draw(st.integers(0, stride - 1))
    smallest = max(1, 1 - (kernel - 2 * padding + remainder - 1) // stride)  # an input of at least one pixel
    output = draw(st.integers(smallest, max(smallest, max_output)))
    return (output - 1) * stride + kernel - 2 * padding + remainder, output, padding, remainder
