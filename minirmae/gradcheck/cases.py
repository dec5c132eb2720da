"""The reference in the suite: which ops, layers and presets are checked, at which sizes.

Sizes are small and unequal, kernels and strides rectangular, and no stride
divides its image evenly, so that two axes cannot be swapped unnoticed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minirmae import layers, ops
from minirmae.arrays import Array, asarray, device_of
from minirmae.engine import prepared
from minirmae.gradcheck.case import Case, adjoint_case, model_case, op_case
from minirmae.models.autoencoder import PRESETS as AUTOENCODERS
from minirmae.models.autoencoder import VARIANTS, ModelConfig, build

STRIDE, PADDING, EXTRA = (2, 3), (1, 2), (1, 0)
IMAGE, KERNEL, OUTPUT = (2, 6, 8, 2), (3, 4, 2, 3), (2, 3, 3, 3)
GEOMETRY: dict[str, Any] = {"stride": STRIDE, "padding": PADDING}
_data = np.random.default_rng(20)
TARGET, LABELS, KEEP = _data.random((3, 4)), _data.integers(0, 4, 3), _data.random((3, 4)) > 0.3


def conv2d(x: Array, W: Array, b: Array | None = None) -> Any:
    return ops.conv2d(x, W, b, **GEOMETRY)


def conv_transpose2d(x: Array, W: Array, b: Array | None = None) -> Any:
    return ops.conv_transpose2d(x, W, b, **GEOMETRY, output_padding=EXTRA)


def _beside(x: Array, constant: Array) -> Array:
    """A constant on the device of x."""
    return asarray(constant, device_of(x))


def _empty(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (0, *shape[1:])


OPS: list[Case] = [
    op_case("linear", "linear", ops.linear, (3, 4), (4, 5), (5,), linear=True),
    op_case("linear without bias", "linear", lambda x, W: ops.linear(x, W), (3, 4), (4, 4), linear=True),
    op_case("linear, empty batch", "linear", ops.linear, (0, 4), (4, 5), (5,), linear=True),
    op_case("linear_stack", "linear_stack", ops.linear_stack, (3, 4), (3, 4, 4), linear=["x"]),
    op_case("linear_stack of none", "linear_stack", ops.linear_stack, (3, 4), (0, 4, 4), linear=["x"]),
    op_case("linear_stack, empty batch", "linear_stack", ops.linear_stack, (0, 4), (2, 4, 4), linear=["x"]),
    op_case("conv2d", "conv2d", conv2d, IMAGE, KERNEL, (3,), linear=True),
    op_case("conv2d without bias", "conv2d", lambda x, W: conv2d(x, W), IMAGE, KERNEL, linear=True),
    op_case("conv2d, empty batch", "conv2d", conv2d, _empty(IMAGE), KERNEL, (3,), linear=True),
    op_case("conv_transpose2d", "conv_transpose2d", conv_transpose2d, OUTPUT, KERNEL, (2,), linear=True),
    op_case(
        "conv_transpose2d without bias",
        "conv_transpose2d",
        lambda x, W: conv_transpose2d(x, W),
        OUTPUT,
        KERNEL,
        linear=True,
    ),
    op_case(
        "conv_transpose2d, empty batch",
        "conv_transpose2d",
        conv_transpose2d,
        _empty(OUTPUT),
        KERNEL,
        (2,),
        linear=True,
    ),
    adjoint_case(
        "conv2d and its adjoint",
        lambda x, W: conv2d(x, W)[0],
        lambda y, W: ops.conv_transpose2d(y, W, **GEOMETRY, output_padding=(1, 2))[0],
        IMAGE,
        KERNEL,
    ),
    op_case("avg_pool2d", "avg_pool2d", lambda x: ops.avg_pool2d(x, (2, 3)), IMAGE, linear=True),
    op_case("avg_pool2d, overlapping", "avg_pool2d", lambda x: ops.avg_pool2d(x, (3, 4), (2, 3)), IMAGE, linear=True),
    op_case("max_pool2d", "max_pool2d", lambda x: ops.max_pool2d(x, (2, 3)), IMAGE),
    op_case("max_pool2d, overlapping", "max_pool2d", lambda x: ops.max_pool2d(x, (3, 4), (2, 3)), IMAGE),
    op_case("max_pool2d, empty batch", "max_pool2d", lambda x: ops.max_pool2d(x, 2), _empty(IMAGE)),
    op_case("relu", "relu", ops.relu, (3, 4)),
    op_case("leaky_relu", "leaky_relu", lambda x: ops.leaky_relu(x, 0.2), (3, 4)),
    op_case("sigmoid", "sigmoid", ops.sigmoid, (3, 4)),
    op_case("tanh", "tanh", ops.tanh, (3, 4)),
    op_case("flatten", "flatten", ops.flatten, (3, 4, 2), linear=True),
    op_case("flatten, empty batch", "flatten", ops.flatten, (0, 4, 2), linear=True),
    op_case("reshape", "reshape", lambda x: ops.reshape(x, (2, 4)), (3, 4, 2), linear=True),
    op_case("dropout", "dropout", lambda x: ops.dropout(x, _beside(x, KEEP), 0.3), (3, 4), linear=True),
    op_case(
        "mean_squared_error",
        "mean_squared_error",
        lambda prediction: ops.mean_squared_error(prediction, _beside(prediction, TARGET.astype(prediction.dtype))),
        (3, 4),
    ),
    op_case(
        "binary_cross_entropy_with_logits",
        "binary_cross_entropy_with_logits",
        lambda logits: ops.binary_cross_entropy_with_logits(logits, _beside(logits, TARGET.astype(logits.dtype))),
        (3, 4),
    ),
    op_case(
        "softmax_cross_entropy",
        "softmax_cross_entropy",
        lambda logits: ops.softmax_cross_entropy(logits, _beside(logits, LABELS)),
        (3, 4),
    ),
]


def _sequential(rng: np.random.Generator) -> layers.Layer:
    return layers.Sequential(
        layers.Conv2d(2, 3, (3, 4), rng=rng, **GEOMETRY),
        layers.LeakyReLU(),
        layers.Flatten(),
        layers.Linear(27, 4, rng=rng),
        layers.Dropout(0.25),
        layers.LinearStack(4, 3, rng=rng),
        layers.Tanh(),
    )


LAYERS: list[Case] = [
    model_case("Linear", "Linear", lambda rng: layers.Linear(4, 5, rng=rng), (3, 4), linear=True),
    model_case("LinearStack", "LinearStack", lambda rng: layers.LinearStack(4, 3, rng=rng), (3, 4), linear=["x"]),
    model_case(
        "LinearStack, shared", "LinearStack", lambda rng: layers.LinearStack(4, 3, rng=rng, shared=True), (3, 4)
    ),
    model_case(
        "LinearStack, fixed", "LinearStack", lambda rng: layers.LinearStack(4, 3, rng=rng, trainable=False), (3, 4)
    ),
    model_case("Conv2d", "Conv2d", lambda rng: layers.Conv2d(2, 3, (3, 4), rng=rng, **GEOMETRY), IMAGE, linear=True),
    model_case(
        "ConvTranspose2d",
        "ConvTranspose2d",
        lambda rng: layers.ConvTranspose2d(3, 2, (3, 4), rng=rng, **GEOMETRY, output_padding=EXTRA),
        OUTPUT,
        linear=True,
    ),
    model_case("AvgPool2d", "AvgPool2d", lambda rng: layers.AvgPool2d((2, 3)), IMAGE, linear=True),
    model_case("MaxPool2d", "MaxPool2d", lambda rng: layers.MaxPool2d((3, 2), (2, 3)), IMAGE),
    model_case("ReLU", "ReLU", lambda rng: layers.ReLU(), (3, 4)),
    model_case("LeakyReLU", "LeakyReLU", lambda rng: layers.LeakyReLU(), (3, 4)),
    model_case("Sigmoid", "Sigmoid", lambda rng: layers.Sigmoid(), (3, 4)),
    model_case("Tanh", "Tanh", lambda rng: layers.Tanh(), (3, 4)),
    model_case("Reshape", "Reshape", lambda rng: layers.Reshape((2, 4)), (3, 8)),
    model_case("Flatten", "Flatten", lambda rng: layers.Flatten(), (3, 4, 2)),
    model_case("Dropout", "Dropout", lambda rng: layers.Dropout(0.5), (3, 4)),
    model_case("Dropout, training", "Dropout", lambda rng: layers.Dropout(0.5), (3, 4), rng_seed=7, linear=True),
    model_case("Sequential", "Sequential", _sequential, IMAGE, rng_seed=7),
]


def preset_case(
    preset: str,
    latent: int,
    linear_layers: int,
    variant: str,
    batch: int,
    *,
    engine: str | None = None,
    prepare: Callable[[layers.Layer], layers.Layer] = lambda model: model,
    **options: Any,
) -> Case:
    """A case for `check_model`: an autoencoder as `prepare` returns it, and what to put before its name."""
    config = ModelConfig(preset, latent, linear_layers, variant)
    name = f"{preset}, latent {latent}, {linear_layers} {variant} layers"
    return model_case(
        f"{engine}: {name}" if engine else name,
        preset,
        lambda rng: prepare(build(config, rng)),
        (batch, *AUTOENCODERS[preset].image),
        # The longest sum of any of these models is over the inputs of CelebA's first linear layer.
        reduction_length=16384,
        **options,
    )


PRESETS: list[Case] = [
    preset_case("shapes", 32, 0, "linear", 2),
    preset_case("shapes", 32, 4, "linear", 2, per_argument=True),
    preset_case("mnist", 128, 8, "linear", 2, per_argument=True),
    # The layers of the others have been checked by now; the fast engine, where there is one, computes them sooner.
    *(preset_case("shapes", 32, 4, variant, 2, prepare=prepared) for variant in VARIANTS if variant != "linear"),
    *(preset_case("mnist", 128, 8, variant, 2, prepare=prepared) for variant in VARIANTS if variant != "linear"),
    # A narrow code keeps the copies of this model near one gigabyte; hygiene is a property of layers.
    preset_case(
        *("celeba", 32, 4, "linear", 1),
        prepare=prepared,
        rungs=("adjoint", "derivative", "second order", "float32"),
    ),
]
