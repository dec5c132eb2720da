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
factors are 0, 1 and -1, so results differ from `Form`'s by rounding alone. The transforms are
sums and differences of neighbours (`ops.neighbours`), copied to where they belong.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from minirmae.backend import Array, array_module
from minirmae.ops.form import Form, add_bias, add_product, no_sum
from minirmae.ops.neighbours import columns, difference, difference_adjoint, next_sum, pair_sums, rows
from minirmae.ops.patches import Pair, blocks

ROWS = 256
"""Tiles that are multiplied at a time, at least: few rows make slow products of matrices."""

FRAME = 1 << 16
"""Entries of x that are transformed at a time: with what is made of them they stay in a core's cache."""

CHANNELS = 32
"""With fewer channels the additions cost more than the products that they save."""


def fits(images: int, size: Pair, channels: int, kernel: Pair, outputs: int, stride: Pair, padding: Pair) -> bool:
    """Whether `Winograd` covers a geometry and pays for a batch of `images`."""
    covered = kernel == (4, 4) and stride == (2, 2) and padding == (1, 1) and size[0] % 4 == size[1] % 4 == 0
    # With fewer tiles than outputs the kernel's own transform is no longer small beside the products.
    return covered and channels >= CHANNELS and images * math.prod(size) // 16 >= outputs


class Winograd(Form):
    """`Form` for kernel 4, stride 2, padding 1 and images whose height and width are multiples of 4."""

    def dy(self, x: Array, W: Array, b: Array | None = None) -> Array:
        y = self._empty(x, self.output_size, self.outputs)
        U = self._kernel(W)
        for images in self._parts(len(x)):
            self._small_adjoint(self._big(x[images]) @ U, y[images])
        if b is not None:
            add_bias(y, b)
        return y

    def dW(self, x: Array, y: Array, out: Array | None = None) -> Array:
        dU = self._no_sum(x)
        for images in self._parts(len(x)):
            add_product(dU, self._big(x[images]).transpose(0, 2, 1), self._small(y[images]), images)
        return self._kernel_adjoint(dU, out)

    def dy_and_dW(self, x: Array, W: Array, y: Array, out: Array | None = None) -> tuple[Array, Array]:
        dy, dU = self._empty(x, self.output_size, self.outputs), self._no_sum(x)
        U = self._kernel(W)
        for images in self._parts(len(x)):
            V = self._big(x[images])
            self._small_adjoint(V @ U, dy[images])
            add_product(dU, V.transpose(0, 2, 1), self._small(y[images]), images)
        return dy, self._kernel_adjoint(dU, out)

    def dx(self, y: Array, W: Array, b: Array | None = None) -> Array:
        x = self._empty(y, self.size, self.channels)
        U = self._kernel(W).transpose(0, 2, 1)
        for images in self._parts(len(y)):
            self._big_adjoint(self._small(y[images]) @ U, b, x[images])
        return x

    def _parts(self, images: int) -> Iterator[slice]:
        """Cut a batch into slices of `ROWS` tiles or more; no fewer than outputs keep the kernel's part small."""
        step = -(-max(ROWS, self.outputs) // math.prod(self._tiles))
        return (slice(start, min(start + step, images)) for start in range(0, images, step))

    def _frames(self, images: int) -> Iterator[tuple[slice, slice]]:
        """Cut images into slices of at most `FRAME` entries of x; yield the slices, and those of their tiles."""
        tiles = math.prod(self._tiles)
        for part in blocks(images, math.prod(self.size) * self.channels, FRAME):
            yield part, slice(part.start * tiles, part.stop * tiles)

    def _no_sum(self, x: Array) -> Array:
        return no_sum(x, (9, 4 * self.channels, self.outputs))

    @property
    def _tiles(self) -> Pair:
        return self.size[0] // 4, self.size[1] // 4

    def _big(self, x: Array) -> Array:
        """V(x), shape (9, tiles, 4 C); a row is (row in a block, column in a block, channel)."""
        V = array_module(x).empty((9, len(x) * math.prod(self._tiles), 4 * self.channels), dtype=x.dtype)
        for images, tiles in self._frames(len(x)):
            self._fill_big(x[images], V[:, tiles])
        return V

    def _fill_big(self, x: Array, V: Array) -> None:
        xp, (T, S), n, C = array_module(x), self._tiles, len(x), self.channels
        x, V = xp.ascontiguousarray(x), V.reshape(3, 3, n, T, S, 2, 2 * C)
        down, across = xp.empty_like(x), xp.empty_like(x)
        difference(columns(x), columns(across))
        V[1, 0::2] = across.reshape(n, T, 4, S, 2, 2 * C)[:, :, 1:3].transpose(4, 0, 1, 3, 2, 5)
        V[1, 1] = x.reshape(n, T, 4, S, 4 * C)[:, :, 1:3, :, C : 3 * C].transpose(0, 1, 3, 2, 4)
        difference(rows(x), rows(down))
        difference(columns(down), columns(across))
        V[0::2, 0::2] = across.reshape(n, T, 2, 2, S, 2, 2 * C).transpose(2, 5, 0, 1, 4, 3, 6)
        V[0::2, 1] = down.reshape(n, T, 2, 2, S, 4 * C)[..., C : 3 * C].transpose(2, 0, 1, 4, 3, 5)

    def _big_adjoint(self, V: Array, b: Array | None, x: Array) -> None:
        """Write the adjoint of `_big` at V, plus a bias b (C,), into the images x; changes V."""
        if b is not None:
            # The part that only the middle pixels of the middle rows get; the others' bias comes below.
            pixels = V[4].reshape(-1, 2 * self.channels)
            pixels += array_module(x).tile(b, 2)
        for images, tiles in self._frames(len(x)):
            self._fill_big_adjoint(V[:, tiles], b, x[images])

    def _fill_big_adjoint(self, V: Array, b: Array | None, x: Array) -> None:
        xp, (T, S), n, C, W = array_module(x), self._tiles, len(x), self.channels, self.size[1]
        V = V.reshape(3, 3, n, T, S, 2, 2 * C)
        down, across = xp.empty_like(x), xp.empty_like(x)
        across.reshape(n, T, 2, 2, S, 2, 2 * C).transpose(2, 5, 0, 1, 4, 3, 6)[...] = V[0::2, 0::2]
        difference_adjoint(columns(across), columns(down))
        across[...] = 0
        across.reshape(n, T, 2, 2, S, 4 * C)[..., C : 3 * C].transpose(2, 0, 1, 4, 3, 5)[...] = V[0::2, 1]
        down += across
        difference_adjoint(rows(down), rows(x))
        # The middle two rows of four have a part of their own, which brings the bias of those rows along.
        middle, part = (_flat_front(array, (n, 2 * T, W, C)) for array in (down, across))
        part.reshape(n, T, 2, S, 2, 2 * C).transpose(4, 0, 1, 3, 2, 5)[...] = V[1, 0::2]
        difference_adjoint(columns(part), columns(middle))
        part[...] = 0 if b is None else b
        part.reshape(n, T, 2, S, 4 * C)[..., C : 3 * C].transpose(0, 1, 3, 2, 4)[...] = V[1, 1]
        middle += part
        whole = xp.empty((n, T, 4, W, C), dtype=x.dtype)
        whole[...] = 0 if b is None else b
        whole[:, :, 1:3] = middle.reshape(n, T, 2, W, C)
        x += whole.reshape(x.shape)

    def _small(self, y: Array) -> Array:
        """A(y), shape (9, tiles, O)."""
        xp, (T, S), n, O = array_module(y), self._tiles, len(y), self.outputs
        y, A = xp.ascontiguousarray(y), xp.empty((3, 3, n, T, S, O), dtype=y.dtype)
        tiles = (n, T, 2, S, 2, O)
        across, down = xp.empty_like(y), xp.empty_like(y)
        A[0::2, 0::2] = y.reshape(tiles).transpose(2, 4, 0, 1, 3, 5)
        next_sum(columns(y), columns(across))
        A[0::2, 1] = across.reshape(tiles)[:, :, :, :, 0].transpose(2, 0, 1, 3, 4)
        next_sum(rows(y), rows(down))
        A[1, 0::2] = down.reshape(tiles)[:, :, 0].transpose(3, 0, 1, 2, 4)
        next_sum(rows(across), rows(down))
        A[1, 1] = down.reshape(tiles)[:, :, 0, :, 0]
        return A.reshape(9, n * T * S, O)

    def _small_adjoint(self, A: Array, y: Array) -> None:
        """Write the adjoint of `_small` at A into y."""
        xp, (T, S), n, O = array_module(y), self._tiles, len(y), self.outputs
        A = A.reshape(3, 3, -1)
        halves = xp.empty((3, 2, A.shape[2]), dtype=y.dtype)
        for k in range(3):
            pair_sums(A[k], halves[k])
        tiles = xp.empty((2, 2, n, T, S, O), dtype=y.dtype)
        pair_sums(halves.reshape(3, -1), tiles.reshape(2, -1))
        y.reshape(n, T, 2, S, 2, O)[...] = tiles.transpose(2, 3, 0, 4, 1, 5)

    def _kernel(self, W: Array) -> Array:
        """U(W), shape (9, 4 C, O)."""
        xp, (_, _, C, O) = array_module(W), W.shape
        U = xp.empty((3, 3, 2, 2 * C * O), dtype=W.dtype)
        # W[2 i + p, 2 j + q] multiplies pixel (p, q) of block (i, j).
        U[0::2, 0::2] = W.reshape(2, 2, 2, 2 * C * O).transpose(0, 2, 1, 3)
        for k in (0, 2):
            xp.add(U[k, 0], U[k, 2], out=U[k, 1])
            xp.negative(U[k, 0], out=U[k, 0])
        xp.add(U[0], U[2], out=U[1])
        xp.negative(U[0], out=U[0])
        return U.reshape(9, 4 * C, O)

    def _kernel_adjoint(self, U: Array, out: Array | None) -> Array:
        """The adjoint of `_kernel` at U, written into `out` if that is given."""
        xp, C, O = array_module(U), self.channels, self.outputs
        U = U.reshape(3, 3, -1)
        halves, whole = xp.empty((3, 2, U.shape[2]), dtype=U.dtype), xp.empty((2, 2, 2, 2 * C * O), dtype=U.dtype)
        for k in range(3):
            pair_sums(U[k], halves[k], xp.subtract)
        pair_sums(halves.reshape(3, -1), whole.reshape(2, -1), xp.subtract)
        dW = xp.empty((4, 4, C, O), dtype=U.dtype) if out is None else out
        dW.reshape(2, 2, 2, 2 * C * O)[...] = whole.transpose(0, 2, 1, 3)
        return dW


def _flat_front(array: Array, shape: tuple[int, ...]) -> Array:
    """The first entries of a contiguous array, in another shape."""
    return array.reshape(-1)[: math.prod(shape)].reshape(shape)
