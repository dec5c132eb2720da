"""The launches of linear maps and their gradients, computed from sizes alone.

Each function returns a `Launch` for arrays that lie in the given buffers. The
arguments are in the order of the kernel's declaration in `kernels/`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minirmae.engines.cuda.geometry import Geometry
from minirmae.engines.cuda.launch import Argument, Buffer, Launch, int32
from minirmae.engines.cuda.products import ProductGrid, product_grid

ACTIVATIONS = {"none": 0, "relu": 1, "tanh": 2, "sigmoid": 3}
CHAIN_WIDTH = 256
"""The widest matrices that the fused chain takes: two slabs of 16 rows fill shared memory."""

_SLAB_ROWS, _THREADS = 16, 256


def conv_forward(
    g: Geometry,
    x: Buffer,
    kernel: Buffer,
    y: Buffer,
    *,
    bias: Buffer | None = None,
    activation: str = "none",
    saved: Buffer | None = None,
    saved_activation: str = "none",
    lane: int = 0,
    replicas: int = 1,
) -> Launch:
    """Convolution of x (N, H, W, C) into y (N, OH, OW, O), and a transposed convolution's input gradient.

    `y = activation(sum + bias)`, times the slope of `saved_activation` where `saved` holds its values.
    """
    grid = product_grid(g.output_pixels, g.outputs, g.taps)
    epilogue = _codes(activation, saved_activation)
    fours = x.fours(g.channels), kernel.fours(g.outputs)
    arguments = (x, kernel, bias, saved, y, *grid.scratch(lane), *g.numbers(), *epilogue, *fours)
    entries = g.entries + (g.output_pixels * g.outputs if saved else 0)
    return _product("conv_forward", grid, (*arguments, np.int32(grid.splits)), lane, replicas, g.multiply_adds, entries)


def conv_input_gradient(
    g: Geometry,
    dy: Buffer,
    kernel: Buffer,
    dx: Buffer,
    *,
    bias: Buffer | None = None,
    activation: str = "none",
    saved: Buffer | None = None,
    saved_activation: str = "none",
    lane: int = 0,
    replicas: int = 1,
) -> Launch:
    """Input gradient dx (N, H, W, C) of dy (N, OH, OW, O), and the forward of a transposed convolution.

    `bias`, `activation`, `saved`: as in `conv_forward`, on dx.
    """
    grid = product_grid(g.phase_rows(), g.channels, g.phase_taps(), g.stride[0] * g.stride[1])
    epilogue = _codes(activation, saved_activation)
    fours = dy.fours(g.outputs), kernel.fours(g.outputs)
    arguments = (dy, kernel, bias, saved, dx, *grid.scratch(lane), *g.numbers(), *epilogue, *fours)
    entries = g.entries + (g.input_pixels * g.channels if saved else 0)
    return _product(
        "conv_input_gradient", grid, (*arguments, np.int32(grid.splits)), lane, replicas, g.multiply_adds, entries
    )


def conv_weight_gradient(
    g: Geometry,
    x: Buffer,
    dy: Buffer,
    dkernel: Buffer,
    *,
    bias: bool = False,
    progress: Buffer | None = None,
    groups: int = 1,
    lane: int = 0,
    replicas: int = 1,
) -> Launch:
    """Weight gradient (KH, KW, C, O) of x (N, H, W, C) and dy (N, OH, OW, O).

    Args:
        bias: also write `db` (O,), right after the kernel's gradient.
        progress: where a gradient that is not finite sets its flag.
        groups: number of products, computed at once from operands that lie one after the other.
    """
    grid = product_grid(g.taps + bias, g.outputs, g.output_pixels, groups)
    strides = g.input_pixels * g.channels, g.output_pixels * g.outputs, g.taps * g.outputs
    # Where rows are whole fours, so are the distances between groups.
    fours = x.fours(g.channels), dy.fours(g.outputs)
    arguments = (x, dy, dkernel, progress, *grid.scratch(lane), *g.numbers(), np.int32(bias), *fours)
    counts: tuple[Argument, ...] = (np.int32(grid.splits), np.int32(groups), *map(np.int64, strides))
    return _product(
        "conv_weight_gradient",
        grid,
        (*arguments, *counts),
        lane,
        replicas,
        groups * g.multiply_adds,
        groups * g.entries,
    )


def column_sum(
    rows: int, columns: int, matrix: Buffer, sums: Buffer, progress: Buffer | None, *, lane: int = 0, replicas: int = 1
) -> Launch:
    """Sums of the columns of a matrix (rows, columns)."""
    across = -(-columns // _THREADS)
    height = max(1, _THREADS // min(columns, _THREADS))
    # At least 16 rows a thread, and at most 128 blocks for the last one to add up.
    each = max(16 * height, -(-rows // 128))
    blocks = -(-rows // each)
    partial = Buffer(f"partial sums {lane}", (across, blocks, _THREADS))
    tickets = Buffer(f"tickets {lane}", (across,), "uint32")
    numbers = int32("column_sum", rows=rows, columns=columns, rows_per_block=each)
    arguments = (matrix, sums, progress, partial, tickets, *numbers)
    return Launch(
        "column_sum",
        (blocks, across, replicas),
        _THREADS,
        arguments,
        lane=lane,
        flops=rows * columns * replicas,
        bytes=4 * (rows + 1) * columns * replicas,
    )


def chain(
    rows: int,
    n: int,
    layers: int,
    states: Buffer,
    matrices: Buffer,
    *,
    shared: bool = False,
    backward: bool = False,
    saved: Buffer | None = None,
    saved_activation: str = "none",
    replicas: int = 1,
) -> Launch:
    """The chain of `layers` linear maps (n, n) through states (layers + 1, rows, n), first to last or backwards.

    Raises ValueError if n is more than `CHAIN_WIDTH`.
    """
    if n > CHAIN_WIDTH:
        raise ValueError(f"chain: matrices are at most {CHAIN_WIDTH} wide, got {n}; multiply them one by one")
    sizes = int32("chain", rows=rows, n=n, layers=layers)
    stride = np.int64(0 if shared else n * n)
    ends = np.int32(backward), np.int32(ACTIVATIONS[saved_activation])
    arguments = (states, matrices, saved, *sizes, stride, *ends)
    matrices_read = 1 if shared else layers
    return Launch(
        "chain",
        (-(-rows // _SLAB_ROWS), 1, replicas),
        _THREADS,
        arguments,
        flops=2 * layers * rows * n * n * replicas,
        bytes=4 * ((layers + 1) * rows * n + matrices_read * n * n) * replicas,
    )


def _product(
    kernel: str,
    grid: ProductGrid,
    arguments: tuple[Argument, ...],
    lane: int,
    replicas: int,
    multiply_adds: int,
    entries: int,
) -> Launch:
    """The launch of a matrix product, with its multiply-adds and the entries that it moves in each replica."""
    return Launch(
        kernel,
        grid.blocks(replicas),
        grid.tile.threads,
        arguments,
        grid.tile,
        lane,
        flops=2 * multiply_adds * replicas,
        bytes=4 * entries * replicas,
    )


def _codes(*activations: Any) -> tuple[np.int32, ...]:
    return tuple(np.int32(ACTIVATIONS[name]) for name in activations)
