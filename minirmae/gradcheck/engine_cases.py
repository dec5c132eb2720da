"""The engines' own ops and models under the checker; imported only where there are engines.

Geometries are those that an engine treats apart: nine products for sixteen, windows folded and gathered, a ReLU in the
same pass, pixels beyond the last window.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minirmae.engine import prepared
from minirmae.engines.cpu import ops
from minirmae.gradcheck.case import Case, model_case, op_case
from minirmae.gradcheck.cases import EXTRA, GEOMETRY, IMAGE, KERNEL, OUTPUT
from minirmae.layers import (
    Conv2d,
    ConvTranspose2d,
    Flatten,
    Layer,
    Linear,
    LinearStack,
    ReLU,
    Reshape,
    Sequential,
    Tanh,
)
from minirmae.models.autoencoder import Autoencoder

HALVING = (4, 4, 32, 2)  # with stride 2 and padding 1 and enough tiles: see `engines.cpu.winograd.fits`
HALF: dict[str, Any] = {"stride": 2, "padding": 1}
BEYOND: dict[str, Any] = {"stride": 3, "output_padding": 2}


def _op(name: str, op: Any, *shapes: tuple[int, ...], linear: bool = True, **options: Any) -> Case:
    """A case of an engine's op, whose backward takes more than a cotangent."""

    def function(*arrays: Any) -> Any:
        y, backward = op(*arrays, **options)
        return y, lambda dy: backward(dy)

    return op_case(f"engine: {name}", op.__name__, function, *shapes, linear=linear)


def _both(name: str, op: Any, *shapes: tuple[int, ...], **options: Any) -> list[Case]:
    """Without a ReLU after the op, and with it."""
    return [_op(name, op, *shapes, **options), _op(f"{name} and relu", op, *shapes, linear=False, relu=True, **options)]


def _model(rng: np.random.Generator) -> Layer:
    """A small autoencoder with every kind of stage, computed by fused stages."""
    encoder = Sequential(Conv2d(1, 2, 3, stride=2, rng=rng), ReLU(), Flatten(), Linear(8, 3, rng=rng))
    decoder = Sequential(
        Linear(3, 8, rng=rng),
        ReLU(),
        Reshape((2, 2, 2)),
        ConvTranspose2d(2, 1, 2, stride=3, output_padding=(1, 0), rng=rng),
        Tanh(),
    )
    return prepared(Autoencoder(encoder, LinearStack(3, 2, rng=rng), decoder))


ENGINE: list[Case] = [
    *_both("conv2d", ops.conv2d, IMAGE, KERNEL, (3,), **GEOMETRY),
    _op("conv2d without bias", ops.conv2d, IMAGE, KERNEL, **GEOMETRY),
    _op("conv2d, empty batch", ops.conv2d, (0, *IMAGE[1:]), KERNEL, (3,), **GEOMETRY),
    *_both("conv2d by nine products", ops.conv2d, (2, 8, 4, 32), HALVING, (2,), **HALF),
    *_both("conv_transpose2d", ops.conv_transpose2d, OUTPUT, KERNEL, (2,), **GEOMETRY, output_padding=EXTRA),
    _op("conv_transpose2d without bias", ops.conv_transpose2d, OUTPUT, KERNEL, **GEOMETRY),
    _op("conv_transpose2d, empty batch", ops.conv_transpose2d, (0, *OUTPUT[1:]), KERNEL, (2,), **GEOMETRY),
    *_both(
        "conv_transpose2d, beyond", ops.conv_transpose2d, (1, 2, 2, 3), (2, 2, 2, 3), (2,), stride=3, output_padding=2
    ),
    *_both("conv_transpose2d, gathered", ops.conv_transpose2d, (1, 4, 4, 2), (4, 4, 8, 2), (8,), **HALF),
    *_both("conv_transpose2d by nine products", ops.conv_transpose2d, (2, 4, 2, 2), HALVING, (32,), **HALF),
    *_both("linear", ops.linear, (3, 4), (4, 5), (5,)),
    op_case("engine: linear_stack", "linear_stack", lambda x, W: _plain(ops.linear_stack(x, W)), (3, 4), (3, 4, 4)),
    model_case("engine: a prepared autoencoder", "prepared", _model, (2, 6, 5, 1)),
]


def _plain(result: Any) -> Any:
    y, backward = result
    return y, lambda dy: backward(dy)
