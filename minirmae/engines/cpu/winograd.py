"""Nine products for sixteen: the trilinear form of a 4 x 4 kernel with stride 2.

Padded by 1 and cut into blocks of 2 x 2 pixels, the image x is the input of a
2 x 2 convolution of stride 1 on pixels of 4 C channels. In one dimension two
neighbouring outputs depend on three blocks B0, B1, B2 and a kernel K0, K1:

    y0 = B0 K0 + B1 K1,    y1 = B1 K0 + B2 K1.

Winograd (1980; Lavin and Gray 2016, section 4.1, F(2, 2)) needs three products
for these four. With

    V = (B1 - B0, B1, B2 - B1),    U = (-K0, K0 + K1, K1),    m_i = V_i U_i,

they are y0 = m0 + m1 and y1 = m1 + m2. Done for rows and for columns that is
nine products for a tile of 2 x 2 outputs, each a product of matrices with a
row for every tile. The three partial derivatives of the trilinear form are

    dT/dy = A'(V(x) U(W)),    dT/dW = U'(V(x)' A(y)),    dT/dx = V'(A(y) U(W)'),

where A(y) = (y0, y0 + y1, y1) and the dash on a linear map is its adjoint. All
factors are 0, 1 and -1, so results differ from `Form`'s by rounding alone.

NumPy adds whole contiguous arrays several times faster than parts of them. So
blocks, outputs and kernel are first copied to where their transforms will be,
and then added in place. Tiles are ordered by row, column and image: tiles side
by side are a fixed distance apart in memory.
"""

from __future__ import annotations

import math

from minirmae.arrays import Array, array_module
from minirmae.engines.cpu.form import Form, add_product, finish, no_sum
from minirmae.engines.cpu.patches import Pair, blocks
from minirmae.engines.cpu.products import product

ENTRIES = 1 << 17
"""Entries of x that are worked on at a time: with what is made of them they stay in a core's cache."""

CHANNELS = 32
"""With fewer channels the additions cost more than the products that they save."""


def fits(images: int, size: Pair, channels: int, kernel: Pair, outputs: int, stride: Pair, padding: Pair) -> bool:
    """Whether `Winograd` covers a geometry and pays for a batch of `images`."""
    covered = kernel == (4, 4) and stride == (2, 2) and padding == (1, 1) and size[0] % 4 == size[1] % 4 == 0
    # With fewer tiles the kernel's own transforms are no longer small beside the products.
    return covered and channels >= CHANNELS and images * math.prod(size) // 16 >= outputs // 2


class Winograd(Form):
    """`Form` for kernel 4, stride 2, padding 1 and images whose height and width are multiples of 4."""

    def forward(self, x: Array, W: Array, b: Array | None = None, relu: bool = False) -> Array:
        y = self._empty(x, self.output_size, self.outputs)
        U = self._kernel(W)
        for images in self._parts(len(x)):
            self._small_adjoint(product(self._big(x[images]), U), y[images])
            finish(y[images], b, relu)
        return y

    def weight_gradient(self, x: Array, y: Array, out: Array | None = None) -> Array:
        dU = self._no_sum(x)
        for images in self._parts(len(x)):
            add_product(dU, self._big(x[images]).transpose(0, 2, 1), self._small(y[images]), images)
        return self._kernel_adjoint(dU, out)

    def forward_and_weight_gradient(
        self, x: Array, W: Array, y: Array, out: Array | None = None
    ) -> tuple[Array, Array]:
        dy, dU = self._empty(x, self.output_size, self.outputs), self._no_sum(x)
        U = self._kernel(W)
        for images in self._parts(len(x)):
            V = self._big(x[images])
            self._small_adjoint(product(V, U), dy[images])
            add_product(dU, V.transpose(0, 2, 1), self._small(y[images]), images)
        return dy, self._kernel_adjoint(dU, out)

    def input_gradient(self, y: Array, W: Array, b: Array | None = None, relu: bool = False) -> Array:
        x = self._empty(y, self.size, self.channels)
        # Turned, because BLAS is slower where the second factor is transposed.
        U = self._kernel(W, transposed=True)
        for images in self._parts(len(y)):
            self._big_adjoint(product(self._small(y[images]), U), x[images])
            finish(x[images], b, relu)
        return x

    def _parts(self, images: int) -> list[slice]:
        """Cut a batch into slices of about `ENTRIES` entries of x."""
        return blocks(images, math.prod(self.size) * self.channels, ENTRIES)

    def _no_sum(self, x: Array) -> Array:
        return no_sum(x, (9, 4 * self.channels, self.outputs))

    def _frame(self, x: Array) -> tuple[Array, Array]:
        """Memory for images with a border of a pixel, and a view of its blocks: (rows, columns, image, 2, 2 C)."""
        H, W = self.size
        frame = array_module(x).empty((len(x), H + 2, W + 2, self.channels), dtype=x.dtype)
        return frame, frame.reshape(len(x), H // 2 + 1, 2, W // 2 + 1, 2 * self.channels).transpose(1, 3, 0, 2, 4)

    def _tiles(self, images: int) -> tuple[int, ...]:
        return 3, 3, self.size[0] // 4, self.size[1] // 4, images

    def _big(self, x: Array) -> Array:
        """V(x), shape (9, tiles, 4 C); a row is (row in a block, column in a block, channel)."""
        xp = array_module(x)
        frame, B = self._frame(x)
        frame[:, 1:-1, 1:-1] = x
        frame[:, 0] = frame[:, -1] = frame[:, :, 0] = frame[:, :, -1] = 0
        V = xp.empty((*self._tiles(len(x)), 2, 2 * self.channels), dtype=x.dtype)
        V[...] = xp.lib.stride_tricks.as_strided(
            B, V.shape, (*B.strides[:2], 2 * B.strides[0], 2 * B.strides[1], *B.strides[2:])
        )
        for v in (V, *V):
            xp.subtract(v[1], v[0], out=v[0])
            v[2] -= v[1]
        return V.reshape(9, -1, 4 * self.channels)

    def _big_adjoint(self, V: Array, x: Array) -> None:
        """Write the adjoint of `_big` at V into the images x; changes V."""
        V = V.reshape(*self._tiles(len(x)), 2, 2 * self.channels)
        frame, B = self._frame(x)
        V[1] += V[0]
        V[1] -= V[2]
        _join(V[0], V[2])
        for v, into in ((V[0], B[:-1:2]), (V[1], B[1::2]), (V[2, :, -1:], B[-1:])):
            v[1] += v[0]
            v[1] -= v[2]
            _join(v[0], v[2])
            into[:, :-1:2] = v[0]
            into[:, 1::2] = v[1]
            into[:, -1] = v[2, :, -1]
        x[...] = frame[:, 1:-1, 1:-1]

    def _small(self, y: Array) -> Array:
        """A(y), shape (9, tiles, O)."""
        xp = array_module(y)
        _, _, T, S, n = shape = self._tiles(len(y))
        A = xp.empty((*shape, self.outputs), dtype=y.dtype)
        A[::2, ::2] = y.reshape(n, T, 2, S, 2, -1).transpose(2, 4, 1, 3, 0, 5)
        for a in (A[0], A[2], A):
            xp.add(a[0], a[2], out=a[1])
        return A.reshape(9, -1, self.outputs)

    def _small_adjoint(self, A: Array, y: Array) -> None:
        """Write the adjoint of `_small` at A into y; changes A."""
        _, _, T, S, n = shape = self._tiles(len(y))
        A = A.reshape(*shape, self.outputs)
        for a in (A, A[0], A[2]):
            a[0] += a[1]
            a[2] += a[1]
        y.reshape(n, T, 2, S, 2, -1).transpose(2, 4, 1, 3, 0, 5)[...] = A[::2, ::2]

    def _kernel(self, W: Array, transposed: bool = False) -> Array:
        """U(W), shape (9, 4 C, O), or its transposed matrices, (9, O, 4 C)."""
        xp, C, O = array_module(W), self.channels, self.outputs
        # W[2 i + p, 2 j + q] multiplies pixel (p, q) of block (i, j).
        corners = W.reshape(2, 2, 2, 2, C, O).transpose(0, 2, 1, 3, 4, 5)
        if transposed:
            columns = xp.ascontiguousarray(W.transpose(0, 1, 3, 2))
            corners = columns.reshape(2, 2, 2, 2, O, C).transpose(0, 2, 4, 1, 3, 5)
        U = xp.empty((3, 3, *corners.shape[2:]), dtype=W.dtype)
        U[::2, ::2] = corners
        for u in (U[0], U[2], U):
            xp.add(u[0], u[2], out=u[1])
            xp.negative(u[0], out=u[0])
        return U.reshape(9, *((O, 4 * C) if transposed else (4 * C, O)))

    def _kernel_adjoint(self, U: Array, out: Array | None) -> Array:
        """The adjoint of `_kernel` at U, written into `out` if that is given; changes U."""
        xp, C, O = array_module(U), self.channels, self.outputs
        U = U.reshape(3, 3, 2, 2 * C * O)
        for u in (U, U[0], U[2]):
            xp.subtract(u[1], u[0], out=u[0])
            u[2] += u[1]
        dW = xp.empty((4, 4, C, O), dtype=U.dtype) if out is None else out
        dW.reshape(2, 2, 2, 2 * C * O).transpose(0, 2, 1, 3)[...] = U[0::2, 0::2]
        return dW


def _join(first: Array, last: Array) -> None:
    """first[:, i] <- last[:, i - 1] - first[:, i] for contiguous arrays (outer, length, ...)."""
    outer, length = first.shape[:2]
    first, last = first.reshape(outer, length, -1), last.reshape(outer, length, -1)
    step = first.shape[2]
    # NumPy subtracts whole contiguous arrays several times faster than parts: so over the ends, which are mended.
    ends, a, b = first[:, 0] * -1, first.reshape(-1), last.reshape(-1)
    array_module(first).subtract(b[:-step], a[step:], out=a[step:])
    first[:, 0] = ends
