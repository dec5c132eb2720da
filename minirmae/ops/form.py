"""The trilinear form of convolution, in a basis where it is a few matrix products.

    T(x, W, y) = sum x[n, i SH + k - PH, j SW + l - PW, c] W[k, l, c, o] y[n, i, j, o]

is linear in each argument. A basis for it is three linear maps to stacks of
matrices with

    T(x, W, y) = sum_p < X_p(x) K_p(W), Y_p(y) >.

With the adjoints of the three maps its three partial derivatives follow:

    dT/dy = Y'(X K),    dT/dx = X'(Y K'),    dT/dW = K'(X' Y).

There are two bases: `patches` (one product, any geometry) and `winograd` (nine
products of a sixteenth of the multiplications each, for the geometry of the
paper's large layers). A batch is worked on a few images at a time, so that the
matrices stay in a core's cache; the order of the blocks, and so of every sum,
is fixed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from minirmae.backend import Array, array_module
from minirmae.parallel import each, split

Pair = tuple[int, int]

BLOCK = 1 << 19
"""Entries of X that are worked on at a time: 2 MB in float32."""


def output_size(size: Pair, kernel: Pair, stride: Pair, padding: Pair) -> Pair:
    """Height and width of a convolution's output: `floor((H + 2 P - K) / S) + 1`.

    Raises:
        ValueError: the kernel does not fit into the padded input.

    >>> output_size((32, 32), kernel=(4, 4), stride=(2, 2), padding=(1, 1))
    (16, 16)
    """
    out = tuple((n + 2 * p - k) // s + 1 for n, k, s, p in zip(size, kernel, stride, padding, strict=True))
    if min(out) < 1:
        raise ValueError(
            f"convolution: the kernel {kernel} is larger than the input {size} with padding {padding}; "
            "use a smaller kernel or more padding"
        )
    return out[0], out[1]


@dataclass(frozen=True)
class Form(ABC):
    """A basis for the trilinear form of one geometry.

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
    @abstractmethod
    def matrices(self) -> tuple[int, int, int]:
        """(products, rows for one image, depth) of X."""

    @abstractmethod
    def X(self, x: Array) -> Array:
        """Images (N, H, W, C) to matrices (products, N rows, depth)."""

    @abstractmethod
    def X_adjoint(self, X: Array, out: Array) -> None:
        """Matrices (products, N rows, depth) to images, written into `out`."""

    @abstractmethod
    def K(self, W: Array) -> Array:
        """Kernel (KH, KW, C, O) to matrices (products, depth, O)."""

    @abstractmethod
    def K_adjoint(self, K: Array) -> Array:
        """Matrices (products, depth, O) to a kernel."""

    @abstractmethod
    def Y(self, y: Array) -> Array:
        """Outputs (N, OH, OW, O) to matrices (products, N rows, O)."""

    @abstractmethod
    def Y_adjoint(self, Y: Array, out: Array) -> None:
        """Matrices (products, N rows, O) to outputs, written into `out`."""

    def dy(self, x: Array, K: Array, b: Array | None = None) -> Array:
        """dT/dy, the convolution, at the images x and the transformed kernel K; plus a bias b (O,)."""
        y = self._empty_outputs(x)

        def work(blocks: Sequence[slice]) -> None:
            for block in blocks:
                self.Y_adjoint(self.X(x[block]) @ K, y[block])
                if b is not None:
                    y[block] += b

        each(work, self._parts(x))
        return y

    def dx(self, y: Array, K: Array, b: Array | None = None) -> Array:
        """dT/dx, the transposed convolution, at the outputs y and the transformed kernel K; plus a bias b (C,)."""
        x = self._empty_images(y)

        def work(blocks: Sequence[slice]) -> None:
            for block in blocks:
                self.X_adjoint(self.Y(y[block]) @ K.swapaxes(1, 2), x[block])
                if b is not None:
                    x[block] += b

        each(work, self._parts(y))
        return x

    def dW(self, x: Array, y: Array) -> Array:
        """dT/dW at the images x and the outputs y."""

        def work(blocks: Sequence[slice]) -> Array:
            return sum_in_place(self.X(x[block]).swapaxes(1, 2) @ self.Y(y[block]) for block in blocks)

        return self._kernel(x, each(work, self._parts(x)))

    def dy_and_dW(self, x: Array, K: Array, y: Array) -> tuple[Array, Array]:
        """dT/dy at (x, K) and dT/dW at (x, y): what both need of x is made once."""
        dy = self._empty_outputs(x)

        def work(blocks: Sequence[slice]) -> Array:
            return sum_in_place(product(block) for block in blocks)

        def product(block: slice) -> Array:
            X = self.X(x[block])
            self.Y_adjoint(X @ K, dy[block])
            return X.swapaxes(1, 2) @ self.Y(y[block])

        dW = self._kernel(x, each(work, self._parts(x)))
        return dy, dW

    def dx_and_dW(self, y: Array, K: Array, x: Array) -> tuple[Array, Array]:
        """dT/dx at (y, K) and dT/dW at (x, y): what both need of y is made once."""
        dx = self._empty_images(y)

        def work(blocks: Sequence[slice]) -> Array:
            return sum_in_place(product(block) for block in blocks)

        def product(block: slice) -> Array:
            Y = self.Y(y[block])
            self.X_adjoint(Y @ K.swapaxes(1, 2), dx[block])
            return self.X(x[block]).swapaxes(1, 2) @ Y

        dW = self._kernel(y, each(work, self._parts(y)))
        return dx, dW

    def _parts(self, batch: Array) -> list[list[slice]]:
        """For each thread its slices of the batch: equal shares, cut into equal blocks of at most `BLOCK` entries."""
        products, rows, depth = self.matrices
        parts = []
        for share in split(range(len(batch))):
            blocks = -(-len(share) * products * rows * depth // BLOCK)
            step = -(-len(share) // blocks)
            parts.append([slice(i, min(i + step, share[-1] + 1)) for i in range(share[0], share[-1] + 1, step)])
        return parts

    def _kernel(self, like: Array, parts: Sequence[Array]) -> Array:
        """The kernel of the sum of what the threads found, in their order; zero for an empty batch."""
        products, _, depth = self.matrices
        empty = array_module(like).zeros((products, depth, self.outputs), dtype=like.dtype)
        return self.K_adjoint(sum_in_place(parts) if parts else empty)

    def _empty_images(self, like: Array) -> Array:
        return array_module(like).empty((len(like), *self.size, self.channels), dtype=like.dtype)

    def _empty_outputs(self, like: Array) -> Array:
        return array_module(like).empty((len(like), *self.output_size, self.outputs), dtype=like.dtype)


def channel_sum(images: Array) -> Array:
    """Sum of images (N, H, W, C) over everything but the channels: the gradient of a bias."""
    if len(images) == 0:
        return images.sum(axis=(0, 1, 2))
    return sum_in_place(
        each(lambda part: images[part[0] : part[-1] + 1].sum(axis=(0, 1, 2)), split(range(len(images))))
    )


def sum_in_place(arrays: Iterable[Array]) -> Array:
    """Sum of at least one array, in their order, in the memory of the first."""
    arrays = iter(arrays)
    total = next(arrays)
    for array in arrays:
        total += array
    return total
