"""The trilinear form of convolution, and its three partial derivatives as matrix products.

    T(x, W, y) = sum x[n, i SH + k - PH, j SW + l - PW, c] W[k, l, c, o] y[n, i, j, o]

is linear in each argument. Its derivatives in y, x and W are the convolution,
the transposed convolution and the gradient of the kernel. With X the matrix of
the windows of x (`patches.windows`), y and W as matrices,

    dT/dy = X W,    dT/dW = X' y,    dT/dx = fold(y W').

Folding adds overlapping windows. Where it costs little arithmetic, dT/dx is
gathered instead: each SH x SW block of pixels of x depends on a window of y of
ceil(KH / SH) x ceil(KW / SW), so it is a convolution of y with stride 1 whose
outputs are whole blocks (Shi et al. 2016, section 2, run backwards).

The order of all sums is fixed by the shapes, so results repeat bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from minirmae.arrays import Array, array_module
from minirmae.engines.cpu.patches import Pair, blocks, fold, windows
from minirmae.engines.cpu.products import product
from minirmae.engines.cpu.rectifier import rectify
from minirmae.ops.convolution import output_size

GATHER_LIMIT = 1.3
"""Gathering is chosen up to this many times the multiplications of folding: blocks at the border are wasted."""

GATHER_WIDTH = 8
"""Gathering is chosen for rows of blocks of at least so many entries: products of few columns are slow."""


@dataclass(frozen=True)
class Form:
    """The trilinear form of one geometry.

    Attributes:
        size: (H, W) of the images x.
        channels: C of x.
        kernel: (KH, KW) of W.
        outputs: O of y.
        stride, padding: (height, width) each.
    """

    size: Pair
    channels: int
    kernel: Pair
    outputs: int
    stride: Pair
    padding: Pair

    @property
    def output_size(self) -> Pair:
        """(OH, OW) of y."""
        return output_size(self.size, self.kernel, self.stride, self.padding)

    @property
    def gathers(self) -> bool:
        """Whether the input gradient gathers; a function of the geometry alone."""
        blocks = math.prod(self._blocks) * math.prod(self._reach) * math.prod(self.stride)
        few = blocks <= GATHER_LIMIT * math.prod(self.output_size) * math.prod(self.kernel)
        return few and self.stride[1] * self.channels >= GATHER_WIDTH

    def forward(self, x: Array, W: Array, b: Array | None = None, relu: bool = False) -> Array:
        """dT/dy, the convolution, of images x (N, H, W, C) with a kernel; plus a bias b (O,); rectified if `relu`."""
        y = self._empty(x, self.output_size, self.outputs)
        matrix = W.reshape(-1, self.outputs)
        for images, X in self._windows(x):
            self._product(X, matrix, y[images])
            finish(y[images], b, relu)
        return y

    def weight_gradient(self, x: Array, y: Array, out: Array | None = None) -> Array:
        """dT/dW, the kernel's gradient, at images x and outputs y; written into `out` if that is given."""
        dW = self._no_kernel(x, out)
        total = dW.reshape(-1, self.outputs)
        for images, X in self._windows(x):
            add_product(total, X.T, y[images].reshape(-1, self.outputs), images)
        return dW

    def forward_and_weight_gradient(
        self, x: Array, W: Array, y: Array, out: Array | None = None
    ) -> tuple[Array, Array]:
        """dT/dy at (x, W) and dT/dW at (x, y), from the same windows of x; the latter into `out` if that is given."""
        dy, dW = self._empty(x, self.output_size, self.outputs), self._no_kernel(x, out)
        matrix, total = W.reshape(-1, self.outputs), dW.reshape(-1, self.outputs)
        for images, X in self._windows(x):
            self._product(X, matrix, dy[images])
            add_product(total, X.T, y[images].reshape(-1, self.outputs), images)
        return dy, dW

    def input_gradient(self, y: Array, W: Array, b: Array | None = None, relu: bool = False) -> Array:
        """dT/dx, the transposed convolution, of outputs y (N, OH, OW, O); plus a bias b (C,); rectified if `relu`."""
        x = self._empty(y, self.size, self.channels)
        for images in (self._gather if self.gathers else self._fold)(x, y, W):
            finish(x[images], b, relu)
        return x

    def _gather(self, x: Array, y: Array, W: Array) -> Iterator[slice]:
        """Fill x, blocks of SH x SW pixels from windows of y, the rows of a block one by one; yield what is full."""
        (R, Q), (SH, SW), (TH, TW), (H, width) = self._blocks, self.stride, self._reach, self.size
        C, (PH, PW) = self.channels, self.padding
        matrices = self._block_kernels(W)
        # Block r of the padded image covers its rows r SH to r SH + SH - 1; the first to reach x is PH // SH.
        offset = PH // SH - (TH - 1), PW // SW - (TW - 1)
        columns = slice(PW % SW * C, (PW % SW + width) * C)
        for images, Y in windows(y, self._blocks, self._reach, (1, 1), offset):
            for row in range(len(matrices)):
                first = (row - PH) % SH
                count = max(0, -(-(H - first) // SH))
                start = (first + PH) // SH - PH // SH
                lines = Y @ matrices[row].T
                lines = lines.reshape(images.stop - images.start, R, Q * SW * C)
                # Of the blocks at the upper and lower border not every row reaches into x.
                target = x[images, first::SH].reshape(len(lines), count, width * C)
                target[...] = lines[:, start : start + count, columns]
            yield images

    def _fold(self, x: Array, y: Array, W: Array) -> Iterator[slice]:
        """Fill x with the sums of windows; yield what is full."""
        matrix = W.reshape(-1, self.outputs).T
        for images in blocks(len(y), math.prod(self.output_size) * matrix.shape[1]):
            X = y[images].reshape(-1, self.outputs) @ matrix
            fold(X, self.output_size, self.kernel, self.stride, self.padding, x[images])
            yield images

    def _block_kernels(self, W: Array) -> Array:
        """For each row of a block of x the kernel as a matrix (SW C, TH TW O), to multiply windows of y from the right.

        Transposed, because that keeps the kernel's last axis in place, and so is a copy in long runs.
        """
        (KH, KW), (SH, SW), (TH, TW) = self.kernel, self.stride, self._reach
        whole = W
        if (TH * SH, TW * SW) != (KH, KW):
            whole = array_module(W).zeros((TH * SH, TW * SW, self.channels, self.outputs), dtype=W.dtype)
            whole[:KH, :KW] = W
        parts = whole.reshape(TH, SH, TW, SW, self.channels, self.outputs)[::-1, :, ::-1]
        return parts.transpose(1, 3, 4, 0, 2, 5).reshape(SH, SW * self.channels, TH * TW * self.outputs)

    def _no_kernel(self, like: Array, out: Array | None) -> Array:
        return no_sum(like, (*self.kernel, self.channels, self.outputs), out)

    @property
    def _reach(self) -> Pair:
        """Outputs that a block of SH x SW pixels depends on, (height, width)."""
        return -(-self.kernel[0] // self.stride[0]), -(-self.kernel[1] // self.stride[1])

    @property
    def _blocks(self) -> Pair:
        """Blocks of SH x SW pixels of the padded image that reach into x, (rows, columns)."""
        ends = zip(self.size, self.stride, self.padding, strict=True)
        rows, columns = (-(-(p + n) // s) - p // s for n, s, p in ends)
        return rows, columns

    def _windows(self, x: Array) -> Iterator[tuple[slice, Array]]:
        """Windows of the padded images x."""
        PH, PW = self.padding
        return windows(x, self.output_size, self.kernel, self.stride, (-PH, -PW))

    def _product(self, rows: Array, matrix: Array, out: Array) -> None:
        """Write `rows @ matrix` into the contiguous images `out`."""
        # Of a sum of one term, as in the gradient of a 1 x 1 kernel, `matmul` makes a loop of its own; `dot` does not.
        array_module(rows).dot(rows, matrix, out=out.reshape(-1, matrix.shape[1]))

    def _empty(self, like: Array, size: Pair, channels: int) -> Array:
        return array_module(like).empty((len(like), *size, channels), dtype=like.dtype)


def no_sum(images: Array, shape: tuple[int, ...], out: Array | None = None) -> Array:
    """Memory, `out` if that is given, for a sum over `images` that `add_product` makes: zero if there are none."""
    total = array_module(images).empty(shape, dtype=images.dtype) if out is None else out
    if not len(images):
        total[...] = 0
    return total


def add_product(total: Array, a: Array, b: Array, images: slice) -> None:
    """Add `a @ b`, what a slice of the images gives, to `total`; the first slice's is written."""
    if images.start == 0:
        product(a, b, out=total)
    else:
        total += product(a, b)


def finish(images: Array, b: Array | None, relu: bool) -> None:
    """Add b (C,), if any, to every pixel of the contiguous images (N, H, W, C), and rectify them if `relu`."""
    if b is not None:
        N, H, W, C = images.shape
        rows = images.reshape(N * H, W * C)
        rows += array_module(b).tile(b, W)
    if relu:
        rectify(images, out=images)
