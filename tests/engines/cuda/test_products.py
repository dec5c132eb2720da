"""The grid covers every element of a result once, whatever its size: the kernels' index arithmetic, in NumPy."""

import itertools

import numpy as np
import pytest

from minirmae.engines.cuda.products import TILE_K, product_grid

SIZES = (1, 3, 31, 32, 33, 64, 65, 127, 128, 129, 300, 1000)


@pytest.mark.parametrize("rows, columns", list(itertools.product(SIZES, SIZES)))
def test_tiles_cover_the_result_once(rows, columns):
    grid = product_grid(rows, columns, 100)
    count = np.zeros((grid.down * grid.tile.rows, grid.across * grid.tile.columns), int)
    for x, y in itertools.product(range(grid.down), range(grid.across)):
        at = np.s_[x * grid.tile.rows : (x + 1) * grid.tile.rows, y * grid.tile.columns : (y + 1) * grid.tile.columns]
        count[at] += 1
    assert (count[:rows, :columns] == 1).all()
    assert (grid.down - 1) * grid.tile.rows < rows, "no block is idle"
    assert (grid.across - 1) * grid.tile.columns < columns


@pytest.mark.parametrize("K", [1, 15, 16, 17, 63, 64, 65, 1000, 8192, 100000])
def test_splits_cover_the_sum_once_and_none_is_empty(K):
    grid = product_grid(64, 64, K)
    tiles = -(-K // TILE_K)
    each = -(-tiles // grid.splits)
    shares = [range(s * each, min((s + 1) * each, tiles)) for s in range(grid.splits)]
    assert sorted(itertools.chain(*shares)) == list(range(tiles))
    assert all(shares)


def test_the_grid_does_not_depend_on_replicas():
    grid = product_grid(100, 100, 1000)
    down, across, depth = grid.blocks(1)
    assert grid.blocks(5) == (down, across, 5 * depth)
    assert grid.scratch(0)[0].size == down * across * grid.splits * grid.tile.rows * grid.tile.columns
