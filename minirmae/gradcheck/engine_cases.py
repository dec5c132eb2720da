"""The engines in the suite: the ops and models that they compute in place of the reference, by the same checks.

Cases begin with the engine's name and cover what the reference's do. They are asked for only where
`minirmae.engine.installed()`: nothing of `minirmae.engines` is imported before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from minirmae.engine import prepared
from minirmae.gradcheck.case import Case, Shape, model_case, op_case
from minirmae.gradcheck.cases import EXTRA, GEOMETRY, IMAGE, KERNEL, OUTPUT, preset_case
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

CPU = "cpu engine"
HALVING: dict[str, Any] = {"stride": 2, "padding": 1}
WINOGRAD = (4, 4, 32, 2)
"""With `HALVING`, and images whose sides are multiples of 4, a kernel that `engines.cpu.winograd` computes."""
GATHERED = (4, 4, 4, 3)
"""With `HALVING`, and 16 x 16 pixels, a kernel whose input gradient `engines.cpu.form` gathers and does not fold."""
TRANSPOSED: dict[str, Any] = {**GEOMETRY, "output_padding": EXTRA}
BEYOND: dict[str, Any] = {"stride": (3, 2), "output_padding": (2, 1)}
"""With a kernel (2, 1) pixels that no window reaches: their value is the bias alone."""


def engine_cases() -> list[Case]:
    """The ops of the engine of the CPU, with a ReLU in the same pass and without, and a model with every stage."""
    from minirmae.engines.cpu import ops

    conv2d, conv_transpose2d, linear, linear_stack = ops.conv2d, ops.conv_transpose2d, ops.linear, ops.linear_stack
    no_images, no_outputs, no_vectors = (0, *IMAGE[1:]), (0, *OUTPUT[1:]), (0, 4)
    return [
        *_both("conv2d", conv2d, IMAGE, KERNEL, (3,), **GEOMETRY),
        *_both("conv2d without bias", conv2d, IMAGE, KERNEL, **GEOMETRY),
        *_both("conv2d, empty batch", conv2d, no_images, KERNEL, (3,), **GEOMETRY),
        *_both("conv2d of single pixels", conv2d, IMAGE, (1, 1, 2, 3), (3,)),
        *_both("conv2d, gathered", conv2d, (1, 16, 16, 4), GATHERED, (3,), **HALVING),
        *_both("conv2d, Winograd", conv2d, (2, 8, 4, 32), WINOGRAD, (2,), **HALVING),
        *_both("conv_transpose2d", conv_transpose2d, OUTPUT, KERNEL, (2,), **TRANSPOSED),
        *_both("conv_transpose2d without bias", conv_transpose2d, OUTPUT, KERNEL, **TRANSPOSED),
        *_both("conv_transpose2d, empty batch", conv_transpose2d, no_outputs, KERNEL, (2,), **TRANSPOSED),
        *_both("conv_transpose2d, beyond the windows", conv_transpose2d, OUTPUT, (2, 1, 2, 3), (2,), **BEYOND),
        *_both("conv_transpose2d, gathered", conv_transpose2d, (1, 8, 8, 3), GATHERED, (4,), **HALVING),
        *_both("conv_transpose2d, Winograd", conv_transpose2d, (2, 4, 2, 2), WINOGRAD, (32,), **HALVING),
        *_both("linear", linear, (3, 4), (4, 5), (5,)),
        *_both("linear without bias", linear, (3, 4), (4, 4)),
        *_both("linear, empty batch", linear, no_vectors, (4, 5), (5,)),
        _op("linear_stack", linear_stack, (3, 4), (3, 4, 4), linear=["x"]),
        _op("linear_stack of none", linear_stack, (3, 4), (0, 4, 4), linear=["x"]),
        _op("linear_stack, empty batch", linear_stack, no_vectors, (2, 4, 4), linear=["x"]),
        _of_cpu(model_case(f"{CPU}: Sequential", "Sequential", lambda rng: prepared(_stages(rng)), (2, 6, 8, 2))),
    ]


def engine_presets() -> list[Case]:
    """Whole autoencoders as the engine computes them."""
    sizes: list[tuple[str, int, int]] = [("shapes", 32, 4), ("mnist", 128, 8)]
    return [_of_cpu(preset_case(*size, "linear", 2, engine=CPU, prepare=prepared)) for size in sizes]


def _both(name: str, op: Callable[..., Any], *shapes: Shape, **options: Any) -> list[Case]:
    """The op alone, which is linear in each array, and with a ReLU in the same pass."""
    return [_op(name, op, *shapes, **options, linear=True), _op(f"{name}, and relu", op, *shapes, **options, relu=True)]


def _op(name: str, op: Callable[..., Any], *shapes: Shape, linear: Any = False, **options: Any) -> Case:
    """`op` at arrays of `shapes`, with its own options; `linear` is that of `check`."""

    def function(x: Any, W: Any, *b: Any) -> Any:
        return op(x, W, *b, **options)

    arguments = ("x", "W", "b")[: len(shapes)]
    return _of_cpu(op_case(f"{CPU}: {name}", op.__name__, function, *shapes, arguments=arguments, linear=linear))


def _of_cpu(case: Case) -> Case:
    return replace(case, engine=CPU)


def _stages(rng: np.random.Generator) -> Layer:
    """A model with every kind of stage: weights with a ReLU, with another activation, and alone; new shapes."""
    return Sequential(
        Conv2d(2, 3, (3, 4), rng=rng, **GEOMETRY),
        ReLU(),
        Flatten(),
        Sequential(Linear(27, 4, rng=rng), Tanh(), LinearStack(4, 3, rng=rng, shared=True)),
        Linear(4, 12, bias=False, rng=rng),
        Reshape((2, 2, 3)),
        ConvTranspose2d(3, 2, 2, stride=3, output_padding=(2, 1), rng=rng),
        ReLU(),
    )
