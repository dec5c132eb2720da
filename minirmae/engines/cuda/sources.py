"""Which CUDA files make up a module, and with which options it is compiled.

A module's source is its files one after the other, so that the compiler's
cache, which looks at the source, sees every change.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib import resources

from minirmae.validation import require_choice

PRECISIONS = ("tf32", "float32")
"""tf32: products on tensor cores, operands rounded to 10 bits, sums in float32. float32: nothing is rounded before."""

_FILES = {
    "convolution": (
        "common",
        "ptx",
        "tile",
        "product_{precision}",
        "loaders",
        "gemm",
        "conv_forward",
        "conv_input_gradient",
        "conv_weight_gradient",
    ),
    "chain": ("common", "ptx", "slab", "slab_{precision}", "chain"),
    "step": ("common", "gather", "loss", "column_sum", "adam"),
}

_MODULE = {
    "conv_forward": "convolution",
    "conv_input_gradient": "convolution",
    "conv_weight_gradient": "convolution",
    "chain": "chain",
    "gather_uint8": "step",
    "gather_float32": "step",
    "mean_squared_error": "step",
    "binary_cross_entropy": "step",
    "column_sum": "step",
    "adam": "step",
}
KERNELS = tuple(_MODULE)


@dataclass(frozen=True)
class Tile:
    """The part of a matrix product that one block computes.

    Attributes:
        rows, columns: of the result.
        warps: rows and columns of warps that share it, each warp's part a multiple of 32 by 32.
    """

    rows: int
    columns: int
    warps: tuple[int, int]

    @property
    def threads(self) -> int:
        """Threads of a block."""
        return 32 * self.warps[0] * self.warps[1]

    @property
    def shared_bytes(self) -> int:
        """Shared memory of a block: two buffers of 16 rows of k for each padded operand, starts of rows, a ticket."""
        return 2 * 16 * (self.rows + 8 + self.columns + 8) * 4 + 8 * self.rows + 16


LARGE, SMALL, NARROW = Tile(128, 128, (2, 4)), Tile(64, 64, (2, 2)), Tile(128, 32, (4, 1))
TILES = (LARGE, SMALL, NARROW)


@dataclass(frozen=True)
class Module:
    """What one compilation needs: which files, for which precision and tile (None where it has none)."""

    name: str
    precision: str
    tile: Tile | None = None

    def source(self) -> str:
        """Return the CUDA source."""
        return "\n".join(read(file.format(precision=self.precision)) for file in _FILES[self.name])

    def options(self) -> tuple[str, ...]:
        """Return the compiler's options, without the architecture, which CuPy adds."""
        if self.tile is None:
            return ("--std=c++17",)
        numbers = {
            "TILE_M": self.tile.rows,
            "TILE_N": self.tile.columns,
            "WARPS_M": self.tile.warps[0],
            "WARPS_N": self.tile.warps[1],
        }
        return ("--std=c++17", *(f"-D{name}={number}" for name, number in numbers.items()))

    def kernels(self) -> tuple[str, ...]:
        """Return the names of the kernels in it."""
        return tuple(kernel for kernel, module in _MODULE.items() if module == self.name)


def module_of(kernel: str, precision: str, tile: Tile | None) -> Module:
    """Return the module that holds `kernel`.

    Raises ValueError for an unknown kernel or precision.
    """
    require_choice("cuda", "kernel", kernel, KERNELS)
    require_choice("cuda", "precision", precision, PRECISIONS)
    name = _MODULE[kernel]
    # The kernels of a step's ends multiply no matrices: one compilation serves both precisions.
    return Module(name, "float32" if name == "step" else precision, tile)


def all_modules() -> tuple[Module, ...]:
    """Return every module that a program can ask for."""
    products = [Module("convolution", precision, tile) for precision in PRECISIONS for tile in TILES]
    return (*products, *(Module("chain", precision) for precision in PRECISIONS), Module("step", "float32"))


@functools.cache
def read(file: str) -> str:
    """Return the text of one CUDA file, named without its ending."""
    return (resources.files(__package__) / "kernels" / f"{file}.cu").read_text(encoding="utf-8")
