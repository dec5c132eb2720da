"""Windows of images as the rows of a matrix, a few images at a time, and the way back.

A convolution is a product with the matrix of its windows (Chellapilla, Puri,
Simard 2006). That matrix is many times larger than the images, so it is made
for a few of them, used while it is in a core's cache, and made again for the
next few in the same memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from minirmae.arrays import Array, array_module

Pair = tuple[int, int]

BLOCK = 1 << 19
"""Entries of the matrix that are made at a time: 2 MB in float32."""

RUN = 8
"""Entries side by side in memory that are worth copying together, at least."""


def blocks(images: int, entries: int, limit: int | None = None) -> list[slice]:
    """Cut a batch into slices of images of `entries` each, as many as make `limit` (else `BLOCK`); at least one."""
    block = max(1, (limit or BLOCK) // max(1, entries))
    return [slice(start, min(start + block, images)) for start in range(0, images, block)]


def windows(x: Array, grid: Pair, kernel: Pair, stride: Pair, offset: Pair) -> Iterator[tuple[slice, Array]]:
    """Yield slices of the batch, in order, and the matrix of their windows, which holds until the next is asked for.

    Args:
        x: images, shape (N, H, W, C).
        grid: number of windows in a column and in a row.
        kernel: (height, width) of a window.
        stride: steps from one window to the next.
        offset: where in x the first window begins; what lies outside x counts as zero.

    Yields:
        (images, matrix), the matrix of shape (images * grid, KH KW C).
    """
    (N, H, W, C), (R, Q), (KH, KW), (SH, SW), (top, left) = x.shape, grid, kernel, stride, offset
    xp = array_module(x)
    if kernel == stride == (1, 1) and offset == (0, 0) and grid == (H, W):
        yield slice(0, N), x[0:N].reshape(N * R * Q, C)
        return
    parts = blocks(N, R * Q * KH * KW * C)
    block = parts[0].stop if parts else 0
    height, width = (R - 1) * SH + KH, (Q - 1) * SW + KW
    frame = xp.zeros((block, height, width, C), dtype=x.dtype)
    rows, columns = _overlap(height, top, H), _overlap(width, left, W)
    n, h, w, c = frame.strides
    view = xp.lib.stride_tricks.as_strided(frame, (block, R, Q, KH, KW * C), (n, h * SH, w * SW, h, c))
    memory = xp.empty(view.size, dtype=x.dtype)
    for images in parts:
        count = images.stop - images.start
        # Images are asked for whole, since they may be made on the way, and their sum with them.
        frame[:count, rows[0], columns[0]] = x[images][:, rows[1], columns[1]]
        size = count * R * Q, KH * KW * C
        matrix = memory[: math.prod(size)]
        if KW * C < RUN:
            # Window by window these would be short runs in memory; entry by entry of a window they are long.
            matrix.reshape(KH, KW * C, count, R, Q)[...] = view[:count].transpose(3, 4, 0, 1, 2)
            yield images, matrix.reshape(size[::-1]).T
        else:
            matrix.reshape(count, R, Q, KH, KW * C)[...] = view[:count]
            yield images, matrix.reshape(size)


def fold(matrix: Array, grid: Pair, kernel: Pair, stride: Pair, padding: Pair, out: Array) -> None:
    """Write into images `out` (N, H, W, C) the sum of windows, the rows of `matrix`, each where it was read.

    The adjoint of taking `windows` at offset `-padding`.
    """
    (N, H, W, C), (R, Q), (KH, KW), (SH, SW), (PH, PW) = out.shape, grid, kernel, stride, padding
    # Columns that do not overlap, SW of them, are added at once: they lie side by side in window and image.
    side = SW if KW % SW == 0 else 1
    step = SW // side
    width = -(-(W + 2 * PW) // side) * side
    parts = matrix.reshape(N, R, Q, KH, KW // side, side * C)
    padded = array_module(matrix).zeros((N, H + 2 * PH, width // side, side * C), dtype=matrix.dtype)
    for k in range(KH):
        for l in range(KW // side):
            padded[:, k : k + SH * R : SH, l : l + step * Q : step] += parts[:, :, :, k, l]
    out[...] = padded.reshape(N, H + 2 * PH, width, C)[:, PH : PH + H, PW : PW + W]


def _overlap(length: int, offset: int, size: int) -> tuple[slice, slice]:
    """Where a frame of `length` that begins at `offset` of an axis of `size` overlaps it: in the frame, in the axis."""
    first, last = max(0, offset), min(size, offset + length)
    last = max(first, last)
    return slice(first - offset, last - offset), slice(first, last)
