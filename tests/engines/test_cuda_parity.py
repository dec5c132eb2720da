"""The captured step, its kernels on the emulator, against the reference: drawn models, crossed options; and sabotage.

What a GPU adds (timing, memory ordering) the tests marked `gpu` look at; the arithmetic of every stage is checked here.
"""

import itertools

import cuda_emulator
import numpy as np
import pytest

from minirmae.data import ArrayDataset
from minirmae.engines.cuda import ends, primitives, stages
from minirmae.engines.cuda.step import CapturedTraining
from minirmae.layers import (
    Conv2d,
    ConvTranspose2d,
    Flatten,
    Linear,
    LinearStack,
    ReLU,
    Reshape,
    Sequential,
    Sigmoid,
    Tanh,
)
from minirmae.loop import training_steps
from minirmae.optimizers import AdamW

pytestmark = pytest.mark.skipif(cuda_emulator.COMPILER is None, reason="no C++ compiler (g++ or clang++)")

MODELS = 120


def draw_layers(rng):
    """Convolutions with every option crossed, a linear part and a chain, from images to images of the same shape."""
    shape = image = tuple(int(n) for n in (*rng.integers(3, 6, 2), rng.integers(1, 4)))
    layers = []
    for _ in range(rng.integers(1, 4)):
        transposed, bias = bool(rng.random() < 0.5), bool(rng.random() < 0.7)
        stride = tuple(int(n) for n in rng.integers(1, 4 if transposed else 3, 2))
        padding = tuple(int(n) for n in rng.integers(0, 2, 2))
        kernel = tuple(int(rng.integers(1, 4)) for _ in range(2))
        options = {"stride": stride, "padding": padding, "bias": bias, "rng": rng}
        if transposed:
            options["output_padding"] = tuple(int(rng.integers(0, s)) for s in stride)
        layer = (ConvTranspose2d if transposed else Conv2d)(shape[2], int(rng.integers(1, 5)), kernel, **options)
        try:
            after = layer.output_shape(shape)
        except ValueError:  # nothing is left of these images
            continue
        if np.prod(after) > 400:
            continue
        layers.append(layer)
        shape = after
        layers += draw_activation(rng)
    n = int(rng.integers(2, 6))
    layers += [Flatten(), Linear(int(np.prod(shape)), n, bias=bool(rng.random() < 0.7), rng=rng), *draw_activation(rng)]
    options = {"shared": rng.random() < 0.3, "trainable": rng.random() < 0.7}
    layers.append(LinearStack(n, int(rng.integers(0, 4)), rng=rng, **options))
    layers += [Linear(n, int(np.prod(image)), rng=rng), Reshape(image), *draw_activation(rng)]
    return image, layers


def draw_activation(rng):
    return [[], [ReLU()], [ReLU()], [Tanh()], [Sigmoid()]][rng.integers(5)]


def check_model(seed):
    """Losses of two steps, one with a smaller batch, the last gradient and the parameters after it."""
    rng = np.random.default_rng(seed)
    image, layers = draw_layers(rng)
    count, batch_size = (5, 4) if rng.random() < 0.5 else (1, 3)
    images = rng.integers(0, 256, (count, *image), dtype=np.uint8)
    ours = Sequential(*layers)
    theirs = ours.astype(np.float32)
    options = {"batch_size": batch_size, "seed": 3}
    steps = list(training_steps(theirs, ArrayDataset(images), AdamW(1e-3), steps=2, engine="reference", **options))
    device = cuda_emulator.EmulatedDevice("float32")
    training = CapturedTraining([ours], [AdamW(1e-3)], images, batch_size=batch_size, seeds=[3], device=device)
    losses = training.run(2)[:, 0]
    training.store()
    grads = training._read(0, training._vectors["grads"])
    np.testing.assert_allclose(losses, [step.loss for step in steps], rtol=2e-5)
    np.testing.assert_allclose(grads, theirs.grads, rtol=0, atol=2e-5 * (abs(theirs.grads).max() + 1e-6))
    # Adam divides by the root of tiny second moments, so an entry may be off by a small part of a step.
    np.testing.assert_allclose(ours.values, theirs.values, rtol=0, atol=2e-4)


def check_models(seeds):
    for seed in seeds:
        try:
            check_model(seed)
        except AssertionError as error:
            names = [type(layer).__name__ for layer in draw_layers(np.random.default_rng(seed))[1]]
            error.add_note(f"model of seed {seed}: {names}")
            raise


@pytest.mark.parametrize("part", range(4))
def test_every_drawn_model(part):
    check_models(range(part * MODELS // 4, (part + 1) * MODELS // 4))


def test_the_drawn_models_cross_what_matters():
    drawn = [draw_layers(np.random.default_rng(seed))[1] for seed in range(MODELS)]
    transposed = [
        (layer, after)
        for layers in drawn
        for layer, after in itertools.pairwise(layers)
        if isinstance(layer, ConvTranspose2d)
    ]
    beyond = [
        isinstance(after, ReLU) and any(map(int.__gt__, layer.options["output_padding"], layer.options["padding"]))
        for layer, after in transposed
    ]
    assert sum(beyond) >= 10
    assert sum(len(layer.kernel) == 2 and layer.kernel[0] != layer.kernel[1] for layer, _ in transposed) > 20
    assert sum("b" not in layer.parameters for layer, _ in transposed) > 10


def changed(name, **changes):
    """A launch function that is called with other options."""
    function = getattr(primitives, name)

    def wrong(*args, **options):
        return function(*args, **{**options, **{key: value for key, value in changes.items() if key in options}})

    return primitives, name, wrong


@pytest.mark.parametrize(
    "target, name, value",
    [
        changed("conv_forward", bias=None),
        changed("conv_forward", activation="none"),
        changed("conv_forward", saved=None, saved_activation="none"),
        changed("conv_input_gradient", bias=None),
        changed("conv_input_gradient", activation="none"),
        changed("conv_input_gradient", saved=None, saved_activation="none"),
        changed("conv_weight_gradient", bias=False),
        changed("chain", shared=True),
        changed("chain", saved=None, saved_activation="none"),
        (stages.PlacedStage, "_chain_weights", lambda self: ()),
        (stages.PlacedStage, "_weight_gradient", lambda self: ()),
        (primitives, "column_sum", lambda *a, **o: FIRST_COLUMN(*(2, *a[1:]), **o)),
        (ends, "LOSSES", {"mean_squared_error": 2.1, "binary_cross_entropy": 1.0}),
        (ends, "adam", lambda *a, **o: ADAM(*a, **{**o, "beta1": 0.5})),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_stage_turns_it_red(target, name, value, monkeypatch):
    monkeypatch.setattr(target, name, value)
    with pytest.raises(AssertionError):
        check_models(range(24))


FIRST_COLUMN, ADAM = primitives.column_sum, ends.adam
