"""Every kernel of a linear map against the float64 op, computed from its own source on the CPU."""

import cuda_emulator
import cuda_parity as parity
import cuda_parity_ends as parity_ends
import numpy as np
import pytest

from minirmae.engines.cuda import sources

pytestmark = pytest.mark.skipif(cuda_emulator.COMPILER is None, reason="no C++ compiler (g++ or clang++)")


@pytest.mark.parametrize("g", parity.GEOMETRIES, ids=str)
def test_convolution(device, g):
    parity.check_forward(device, g)
    parity.check_input_gradient(device, g)
    parity.check_weight_gradient(device, g)


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_epilogues(device, activation):
    g = parity.GEOMETRIES[0]
    parity.check_forward(device, g, activation=activation)
    parity.check_forward(device, g, saved_activation=activation)
    parity.check_input_gradient(device, g, activation=activation)
    parity.check_input_gradient(device, g, saved_activation=activation)


def test_large_tile_and_split_sums(device, monkeypatch):
    from minirmae.engines.cuda import products

    g = parity.Geometry(2, (13, 11), 20, (3, 3), 68, (1, 1), (1, 1))
    for tile in sources.TILES:
        for splits in (1, 3):
            monkeypatch.setattr(
                "minirmae.engines.cuda.primitives.product_grid",
                lambda rows, columns, K, groups=1, tile=tile, splits=splits: products.ProductGrid(
                    tile, -(-rows // tile.rows), -(-columns // tile.columns), splits, groups
                ),
            )
            parity.check_forward(device, g, activation="relu")
            parity.check_input_gradient(device, g, saved_activation="relu")
            parity.check_weight_gradient(device, g)


def test_grouped_weight_gradients(device):
    for n in (5, 8):
        parity.check_weight_gradient(device, parity.Geometry(1, (1, 9), n, (1, 1), n), groups=3)


@pytest.mark.parametrize("rows, columns", [(1, 1), (700, 3), (5000, 1), (37, 300)])
def test_column_sum(device, rows, columns):
    parity.check_column_sum(device, rows, columns)


@pytest.mark.parametrize("rows, n, layers", [(1, 1, 1), (33, 7, 3), (16, 40, 2), (5, 256, 2)])
@pytest.mark.parametrize("backward", [False, True])
def test_chain(device, rows, n, layers, backward):
    parity.check_chain(device, rows, n, layers, backward=backward)
    parity.check_chain(device, rows, n, layers, shared=True, backward=backward)


def test_order_of_blocks_and_threads_changes_no_bit(monkeypatch):
    """What is split over blocks is added up in order, whoever comes last."""
    results = []
    for reverse in (False, True):
        device = cuda_emulator.EmulatedDevice("tf32", reverse)
        recorded = []
        run = parity.run
        monkeypatch.setattr(
            parity, "run", lambda *a, run=run, recorded=recorded: recorded.append(run(*a)) or recorded[-1]
        )
        g = parity.Geometry(9, (12, 12), 6, (4, 4), 40, (2, 2), (1, 1))
        parity.check_weight_gradient(device, g)
        parity.check_column_sum(device, 3000, 5)
        parity.check_chain(device, 40, 24, 2)
        parity_ends.check_loss(device, "mean_squared_error", 9001)
        monkeypatch.undo()
        results.append(recorded)
    assert results[0][0]["partial sums 0"].shape[1] > 1, "the case must split its sum"
    for one, other in zip(*results, strict=True):
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])


def test_a_bad_pixel_reaches_only_the_windows_that_see_it(device):
    """Where sums are filled up to whole tiles, both operands are zero: infinity times zero would be NaN."""
    from minirmae import ops
    from minirmae.engines.cuda import primitives
    from minirmae.engines.cuda.launch import Buffer

    g = parity.GEOMETRIES[2]
    (x, W, dy), _, _ = parity.random_case(g, device.precision, 9)
    x[1, 4, 3, 1] = np.inf
    launch = primitives.conv_forward(g, Buffer("x", x.shape), Buffer("W", W.shape), Buffer("y", dy.shape))
    y = parity.run(device, launch, {"x": x, "W": W})["y"]
    touched = ops.conv2d(np.isinf(x).astype(np.float32), np.ones_like(W))[0] > 0
    assert 0 < touched.sum() < touched.size
    np.testing.assert_array_equal(~np.isfinite(y), touched)


def test_what_is_not_finite_is_flagged(device):
    """NaN in a gradient or a loss stops the training: Adam then changes nothing."""
    from minirmae.engines.cuda import ends, primitives
    from minirmae.engines.cuda.launch import Buffer

    progress = Buffer("progress", (2,), "int64")
    y = np.array([1.0, np.nan], np.float32)
    b = {name: Buffer(name, (2,)) for name in ("y", "t", "dy")}
    launch = ends.loss("mean_squared_error", b["y"], b["t"], b["dy"], Buffer("losses", (1,)), progress)
    stopped = parity.run(device, launch, {"y": y, "t": y * 0, "losses": [0], "progress": [0, 0]})["progress"]
    assert stopped.tolist() == [0, 1]
    g = parity.Geometry(1, (1, 2), 1, (1, 1), 1)
    launch = primitives.conv_weight_gradient(g, b["y"], b["t"], Buffer("dW", (1,)), progress=progress)
    stopped = parity.run(device, launch, {"y": y, "t": [1, 1], "progress": [0, 0]})["progress"]
    assert stopped.tolist() == [0, 1 << 32]
    numbers = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
    moments = Buffer("m", (2,)), Buffer("v", (2,))
    launch = ends.adam(b["y"], b["t"], moments, Buffer("rates", (1,), "float64"), progress, **numbers)
    arrays = {"y": [1, 2], "t": [1, 1], "m": [0, 0], "v": [0, 0], "rates": [1], "progress": stopped}
    outputs = parity.run(device, launch, arrays)
    assert outputs["y"].tolist() == [1, 2]
    assert outputs["progress"].tolist() == stopped.tolist()
