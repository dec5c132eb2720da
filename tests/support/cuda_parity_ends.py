"""As `cuda_parity`, for the ends of a step: batch, loss and optimiser."""

from __future__ import annotations

import cuda_parity as parity
import numpy as np

from minirmae import ops
from minirmae.engines.cuda import ends
from minirmae.engines.cuda.launch import Buffer
from minirmae.optimizers import AdamW


def check_gather(device, dtype):
    """The batch of the step that the counter names, bit for bit."""
    rng = np.random.default_rng(6)
    images = rng.integers(0, 256, (11, 3, 5, 1)).astype(np.uint8)
    images = images if dtype == "uint8" else (images / 255).astype(np.float32)
    order = rng.permutation(11)
    launch = ends.gather(
        Buffer("images", images.shape, dtype),
        Buffer("order", (11,), "int32"),
        Buffer("progress", (2,), "int64"),
        Buffer("batch", (3, 3, 5, 1)),
        steps_per_epoch=3,
        batch_size=4,
    )
    # Step 8 is the third of its epoch, whose smaller batch begins with image 8.
    arrays = {"images": images, "order": order, "progress": [8, 0]}
    expected = images[order[8:11]]
    expected = np.divide(expected, 255, dtype=np.float32) if dtype == "uint8" else expected
    np.testing.assert_array_equal(parity.run(device, launch, arrays)["batch"], expected)


def check_loss(device, kind, entries, activation="none"):
    """The loss in its place, and the gradient through the last activation."""
    rng = np.random.default_rng(7)
    y, target = rng.normal(size=entries).astype(np.float32), rng.random(entries).astype(np.float32)
    launch = ends.loss(
        kind,
        Buffer("y", y.shape),
        Buffer("t", y.shape),
        Buffer("dy", y.shape),
        Buffer("losses", (4,)),
        Buffer("progress", (2,), "int64"),
        activation=activation,
    )
    outputs = parity.run(device, launch, {"y": y, "t": target, "losses": np.zeros(4), "progress": [7, 0]})
    op = ops.mean_squared_error if kind == "mean_squared_error" else ops.binary_cross_entropy_with_logits
    loss, backward = op(y.astype(np.float64), target.astype(np.float64))
    expected = backward() * parity.slope(y.astype(np.float64), activation)
    np.testing.assert_allclose(outputs["losses"], [0, 0, 0, loss], rtol=2**-20)
    np.testing.assert_allclose(outputs["dy"], expected, rtol=2**-18, atol=2**-20 / entries)
    assert outputs["progress"].tolist() == [7, 0]


def check_adam(device, count, weight_decay):
    """Three steps against the float32 NumPy optimiser, whose roundings the kernel has."""
    rng = np.random.default_rng(8)
    values = rng.normal(size=count).astype(np.float32)
    optimizer = AdamW(1e-2, weight_decay=weight_decay)
    moments = [np.zeros(count, np.float32)] * 2
    ours = values.copy()
    for step in range(3):
        grads = rng.normal(size=count).astype(np.float32)
        launch = ends.adam(
            Buffer("w", (count,)),
            Buffer("g", (count,)),
            (Buffer("m", (count,)), Buffer("v", (count,))),
            Buffer("rates", (2,), "float64"),
            Buffer("progress", (2,), "int64"),
            beta1=optimizer.beta1,
            beta2=optimizer.beta2,
            epsilon=optimizer.epsilon,
            weight_decay=weight_decay,
        )
        inputs = {"w": ours, "g": grads, "m": moments[0], "v": moments[1], "progress": [step, 0], "rates": [1e-2] * 2}
        outputs = parity.run(device, launch, inputs)
        optimizer.step(values, grads)
        ours, moments = outputs["w"], [outputs["m"], outputs["v"]]
        assert outputs["progress"].tolist() == [step + 1, 0]
        # An ulp of each of the handful of operations, at most.
        np.testing.assert_allclose(ours, values, rtol=2**-21, atol=2**-24)
        np.testing.assert_allclose(moments[1], optimizer.moments["second_moment"], rtol=2**-22)
