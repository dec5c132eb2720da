"""A launch as plain data: which kernel, how many blocks of how many threads, and its arguments.

An argument is a NumPy scalar of exactly the type that the kernel declares, since
CuPy would pass a Python float as a double and an int as a long long; or a buffer,
which becomes an address once memory has been laid out; or None, the null pointer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from minirmae.engines.cuda.sources import Tile

MAX_GRID = (2**31 - 1, 65535, 65535)


@dataclass(frozen=True)
class Buffer:
    """A contiguous array in named memory.

    Attributes:
        name: of the memory, which starts at a multiple of 256 bytes.
        shape, dtype: of the array.
        start: its first byte within that memory.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    start: int = 0

    @property
    def size(self) -> int:
        """Number of entries."""
        return math.prod(self.shape)

    @property
    def end(self) -> int:
        """The byte after its last."""
        return self.start + self.size * np.dtype(self.dtype).itemsize

    def part(self, first: int, shape: tuple[int, ...]) -> Buffer:
        """Return the array of `shape` that begins at entry `first` of this one."""
        return replace(self, shape=shape, start=self.start + first * np.dtype(self.dtype).itemsize)

    def fours(self, contiguous: int) -> np.int32:
        """Return 1 if groups of four entries along an axis of `contiguous` entries can be read at once, else 0."""
        return np.int32(contiguous % 4 == 0 and self.start % 16 == 0)


Argument = Buffer | np.generic | None


@dataclass(frozen=True)
class Launch:
    """One kernel launch.

    Attributes:
        kernel: its name.
        grid, block: blocks along x, y and z, and threads of a block.
        arguments: in the kernel's order, without the last, the distance of replicas, which the layout adds.
        tile: for kernels that multiply matrices.
        lane: 0 for the main sequence; a launch in lane 1 needs only what came before it, and nothing
            in lane 0 waits for it until a launch that joins.
        joins: wait for both lanes.
        flops, bytes: arithmetic, and memory traffic if every operand is moved once.
    """

    kernel: str
    grid: tuple[int, int, int]
    block: int
    arguments: tuple[Argument, ...]
    tile: Tile | None = None
    lane: int = 0
    joins: bool = False
    flops: int = 0
    bytes: int = 0

    def __post_init__(self) -> None:
        if any(not 1 <= size <= limit for size, limit in zip(self.grid, MAX_GRID, strict=True)):
            raise ValueError(
                f"cuda: {self.kernel} would need a grid of {self.grid} blocks, the limit is {MAX_GRID}; "
                "use smaller batches or fewer replicas"
            )

    def buffers(self) -> tuple[Buffer, ...]:
        """Return the buffers among its arguments."""
        return tuple(argument for argument in self.arguments if isinstance(argument, Buffer))


@dataclass(frozen=True)
class Bound:
    """A launch whose buffers have become addresses: ready to be given to a device."""

    launch: Launch
    arguments: tuple[np.generic, ...]


def int32(where: str, **numbers: Any) -> tuple[np.int32, ...]:
    """Return the numbers as int32; ValueError, naming it, if one does not fit."""
    for name, number in numbers.items():
        if not -(2**31) <= number < 2**31:
            raise ValueError(f"{where}: {name} is {number}, more than a kernel can count; use smaller batches")
    return tuple(np.int32(number) for number in numbers.values())
