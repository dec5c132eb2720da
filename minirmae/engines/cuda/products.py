"""Matrix products on a grid of blocks: the size of a block's tile, and the number of blocks that share its sum.

Both follow from the product's shape alone, not from the GPU or the number of
replicas. So do the bits of the result.
"""

from __future__ import annotations

from dataclasses import dataclass

from minirmae.engines.cuda.launch import Buffer
from minirmae.engines.cuda.sources import LARGE, NARROW, SMALL, Tile

TILE_K = 16

# Blocks that keep a large GPU busy (an H100 has 132 multiprocessors, each with room for about one block
# of the large tile or two of the others).
_ENOUGH = {LARGE: 128, SMALL: 256, NARROW: 256}
# A split needs a part of the sum that is large enough to be worth the extra pass over its result.
_LEAST_TILES_A_SPLIT = 4
_MOST_SPLITS = 32


@dataclass(frozen=True)
class ProductGrid:
    """The blocks of `groups` products of one shape.

    Attributes:
        tile: a block's part of the result.
        down, across: tiles along rows and columns.
        splits: blocks that share the sum of one tile.
        groups: products.
    """

    tile: Tile
    down: int
    across: int
    splits: int
    groups: int

    def blocks(self, replicas: int) -> tuple[int, int, int]:
        """Return the grid for `replicas` models."""
        return self.down, self.across, self.splits * self.groups * replicas

    def scratch(self, lane: int) -> tuple[Buffer | None, Buffer | None]:
        """Return the memory for partial sums and for the tickets that find the last block; None if not split.

        Launches of a lane follow one another, so they share it; tickets are zero before and after each.
        """
        if self.splits == 1:
            return None, None
        tiles = self.down * self.across * self.groups
        partial = (tiles, self.splits, self.tile.rows, self.tile.columns)
        return Buffer(f"partial sums {lane}", partial), Buffer(f"tickets {lane}", (tiles,), "uint32")


def product_grid(rows: int, columns: int, K: int, groups: int = 1) -> ProductGrid:
    """Return the grid for `groups` products (rows, K) times (K, columns).

    >>> product_grid(32, 128, 1024)
    ProductGrid(tile=Tile(rows=64, columns=64, warps=(2, 2)), down=1, across=2, splits=16, groups=1)
    """
    depth = max(1, -(-K // TILE_K))

    def tiles(tile: Tile) -> tuple[int, int]:
        return max(1, -(-rows // tile.rows)), max(1, -(-columns // tile.columns))

    if columns <= NARROW.columns:
        tile = NARROW
    else:
        down, across = tiles(LARGE)
        busy = down * across * groups * max(1, depth // (4 * _LEAST_TILES_A_SPLIT)) >= _ENOUGH[LARGE]
        tile = LARGE if busy and rows > SMALL.rows and columns > SMALL.columns else SMALL
    down, across = tiles(tile)
    splits = min(_ENOUGH[tile] // (down * across * groups), depth // _LEAST_TILES_A_SPLIT, _MOST_SPLITS)
    # Shares are rounded up to whole tiles; then no more splits than still have a tile.
    each = -(-depth // max(1, splits))
    return ProductGrid(tile, down, across, -(-depth // each), groups)
