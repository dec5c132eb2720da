"""A basis of the trilinear form with fewer multiplications: nine products for sixteen.

A 4 x 4 convolution of stride 2 and padding 1 is a 2 x 2 convolution of stride 1
on the padded image's 2 x 2 blocks B_0, B_1, ..., taken as pixels of 4 C channels.
In one dimension two neighbouring outputs, y_0 = B_0 K_0 + B_1 K_1 and
y_1 = B_1 K_0 + B_2 K_1, need three products instead of four (Winograd 1980;
Lavin and Gray 2016, section 4.1, F(2, 2)):

    X = (B_0 - B_1, B_1, B_1 - B_2),    K = (K_0, K_0 + K_1, K_1),
    y_0 = X_0 K_0 + X_1 K_1,    y_1 = X_1 K_1 - X_2 K_2.

Applied to rows and to columns that is nine products for a tile of 2 x 2
outputs, which takes sixteen. All factors of the transforms are 0, 1 and -1, so
results differ from `patches` by rounding alone. Each of the three transforms
below is a few additions, and so is its adjoint.
"""

from __future__ import annotations

from minirmae.backend import Array, array_module
from minirmae.ops.form import Form, Pair


class Winograd(Form):
    """Nine products (rows = OH OW / 4, depth = 4 C); see `fits`."""

    @property
    def matrices(self) -> tuple[int, int, int]:
        t, u = self._tiles
        return 9, t * u, 4 * self.channels

    @property
    def _tiles(self) -> Pair:
        return self.size[0] // 4, self.size[1] // 4

    def X(self, x: Array) -> Array:
        xp, (H, W), (t, u), N, C = array_module(x), self.size, self._tiles, len(x), self.channels
        padded = xp.zeros((N, H + 2, W + 2, C), dtype=x.dtype)
        padded[:, 1:-1, 1:-1] = x
        blocks = padded.reshape(N, 2 * t + 1, 2, (W + 2) * C)
        rows = xp.empty((3, N, t, 2, (W + 2) * C), dtype=x.dtype)
        _analyse(rows, blocks[:, 0::2], blocks[:, 1::2], axis=1)
        # Now the columns; the two rows of a block move behind its column, next to its two columns.
        columns = rows.reshape(3, N, t, 2, 2 * u + 1, 2 * C).transpose(0, 1, 2, 4, 3, 5)
        X = xp.empty((3, 3, N, t, u, 2, 2 * C), dtype=x.dtype)
        for row in range(3):
            _analyse(X[row], columns[row, :, :, 0::2], columns[row, :, :, 1::2], axis=2)
        return X.reshape(9, N * t * u, 4 * C)

    def X_adjoint(self, X: Array, out: Array) -> None:
        xp, (H, W), (t, u), N, C = array_module(X), self.size, self._tiles, len(out), self.channels
        X = X.reshape(3, 3, N, t, u, 2, 2 * C)
        rows = xp.empty((3, N, t, 2, 2 * u + 1, 2 * C), dtype=X.dtype)
        columns = rows.transpose(0, 1, 2, 4, 3, 5)
        for row in range(3):
            _synthesise(columns[row, :, :, 0::2], columns[row, :, :, 1::2], X[row], axis=2)
        blocks = xp.empty((N, 2 * t + 1, 2, (W + 2) * C), dtype=X.dtype)
        _synthesise(blocks[:, 0::2], blocks[:, 1::2], rows.reshape(3, N, t, 2, (W + 2) * C), axis=1)
        out[...] = blocks.reshape(N, H + 2, W + 2, C)[:, 1:-1, 1:-1]

    def K(self, W: Array) -> Array:
        xp, C, O = array_module(W), self.channels, self.outputs
        # W[2a + p, 2b + q] multiplies pixel (p, q) of block (a, b).
        blocks = W.reshape(2, 2, 2, 2, C, O).transpose(0, 2, 1, 3, 4, 5).reshape(2, 2, 4 * C, O)
        rows = xp.stack([blocks[0], blocks[0] + blocks[1], blocks[1]])
        return xp.stack([rows[:, 0], rows[:, 0] + rows[:, 1], rows[:, 1]], axis=1).reshape(9, 4 * C, O)

    def K_adjoint(self, K: Array) -> Array:
        xp, C, O = array_module(K), self.channels, self.outputs
        K = K.reshape(3, 3, 4 * C, O)
        rows = xp.stack([K[:, 0] + K[:, 1], K[:, 1] + K[:, 2]], axis=1)
        blocks = xp.stack([rows[0] + rows[1], rows[1] + rows[2]])
        return blocks.reshape(2, 2, 2, 2, C, O).transpose(0, 2, 1, 3, 4, 5).reshape(4, 4, C, O)

    def Y(self, y: Array) -> Array:
        xp, (t, u), N, O = array_module(y), self._tiles, len(y), self.outputs
        Y = xp.empty((3, 3, N, t, u, O), dtype=y.dtype)
        even, odd = y[:, 0::2], y[:, 1::2]
        for row, part in enumerate((even, even + odd, -odd)):
            left, right = part[:, :, 0::2], part[:, :, 1::2]
            Y[row, 0] = left
            xp.add(left, right, out=Y[row, 1])
            xp.negative(right, out=Y[row, 2])
        return Y.reshape(9, N * t * u, O)

    def Y_adjoint(self, Y: Array, out: Array) -> None:
        xp, (t, u), N, O = array_module(Y), self._tiles, len(out), self.outputs
        Y = Y.reshape(3, 3, N, t, u, O)
        rows = xp.empty((3, N, t, 2 * u, O), dtype=Y.dtype)
        xp.add(Y[:, 0], Y[:, 1], out=rows[:, :, :, 0::2])
        xp.subtract(Y[:, 1], Y[:, 2], out=rows[:, :, :, 1::2])
        xp.add(rows[0], rows[1], out=out[:, 0::2])
        xp.subtract(rows[1], rows[2], out=out[:, 1::2])


def fits(size: Pair, channels: int, kernel: Pair, stride: Pair, padding: Pair) -> bool:
    """Whether `Winograd` covers this geometry, and pays: small images or few channels are mostly transforms."""
    covered = kernel == (4, 4) and stride == (2, 2) and padding == (1, 1) and size[0] % 4 == size[1] % 4 == 0
    return covered and min(size) >= 16 and channels >= 16


def _analyse(X: Array, even: Array, odd: Array, axis: int) -> None:
    """Fill X = (B_0 - B_1, B_1, B_1 - B_2) from blocks that alternate along `axis`, first and last one even."""
    xp = array_module(X)
    first, last = _ends(even, axis)
    xp.subtract(first, odd, out=X[0])
    X[1] = odd
    xp.subtract(odd, last, out=X[2])


def _synthesise(even: Array, odd: Array, X: Array, axis: int) -> None:
    """Adjoint of `_analyse`: fill the even and the odd blocks from X."""
    first, last = _ends(even, axis)
    first[...] = X[0]
    even[(slice(None),) * axis + (-1,)] = 0
    last -= X[2]
    array_module(X).subtract(X[1], X[0], out=odd)
    odd += X[2]


def _ends(even: Array, axis: int) -> tuple[Array, Array]:
    """The even blocks without the last, and without the first."""
    before = (slice(None),) * axis
    return even[(*before, slice(None, -1))], even[(*before, slice(1, None))]
