"""The captured step, its kernels on the emulator, against the reference: drawn models, crossed options; and sabotage.

Every step is compared from the parameters where it began, so rounding does not pile up and bounds are tight: the loss
and each parameter's gradient against the reference in float64, the update against the reference optimiser, given the
same gradient. What a GPU adds (timing, memory ordering) the tests marked `gpu` look at.
"""

import itertools
from dataclasses import replace

import cuda_emulator
import numpy as np
import pytest
from cuda_declarations import declared

from minirmae.data import ArrayDataset, batches
from minirmae.engines.cuda import primitives
from minirmae.engines.cuda.plan import StepPlan
from minirmae.engines.cuda.stages import PlacedStage
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
from minirmae.models.autoencoder import Autoencoder
from minirmae.objectives import reconstruction
from minirmae.optimizers import AdamW

pytestmark = pytest.mark.skipif(cuda_emulator.COMPILER is None, reason="no C++ compiler (g++ or clang++)")

MODELS = 120
SIZES = ((5, 4), (1, 3), (3, 3))
"""Images and batch size: a smaller last batch, one of a single image, full batches only."""


def draw_model(rng):
    """An autoencoder of images (H, W, C), and their shape: convolutions with every option crossed, Linear, a chain."""
    shape = image = (*ints(rng, 2, 7), int(rng.choice([1, 2, 3, 4])))
    layers = []
    for _ in range(rng.integers(1, 4)):
        layer = draw_convolution(rng, shape[2])
        try:
            after = layer.output_shape(shape)
        except ValueError:  # nothing is left of these images
            continue
        if np.prod(after) <= 400:
            layers += [layer, *draw_activation(rng)]
            shape = after
    n, bias = int(rng.choice([2, 3, 5, 8])), rng.random(2) < 0.7
    code = [Linear(int(np.prod(shape)), n, bias=bool(bias[0]), rng=rng), *draw_activation(rng)]
    encoder = Sequential(*layers, Flatten(), *code)
    chain = LinearStack(n, int(rng.integers(4)), shared=rng.random() < 0.3, trainable=rng.random() < 0.7, rng=rng)
    # An activation may follow across the border of two parts, and after a new shape.
    between = [] if chain.layers or len(code) > 1 else draw_activation(rng)
    last = Linear(n, int(np.prod(image)), bias=bool(bias[1]), rng=rng)
    return Autoencoder(encoder, chain, Sequential(*between, last, Reshape(image), *draw_activation(rng))), image


def draw_convolution(rng, channels):
    kernel, stride, padding = ints(rng, 1, 6), ints(rng, 1, 4), ints(rng, 0, 3)
    options = {"stride": stride, "padding": padding, "bias": bool(rng.random() < 0.6), "rng": rng}
    outputs = int(rng.choice([1, 2, 3, 4, 5, 8]))
    if rng.random() < 0.5:
        return Conv2d(channels, outputs, kernel, **options)
    extra = tuple(int(min(rng.integers(s + 1), s - 1)) for s in stride)
    return ConvTranspose2d(channels, outputs, kernel, output_padding=extra, **options)


def draw_activation(rng):
    return [[], [ReLU()], [ReLU()], [Tanh()], [Sigmoid()]][rng.integers(5)]


def ints(rng, low, high):
    return tuple(int(n) for n in rng.integers(low, high, 2))


def check_models(seeds):
    for seed in seeds:
        try:
            check_model(seed)
        except AssertionError as error:
            model, image = draw_model(np.random.default_rng(seed))
            error.add_note(f"model of seed {seed} for images {image}: {[*leaves(model)]}")
            raise


def check_model(seed):
    """Three steps: the second may have a smaller batch, the third begin a new epoch."""
    rng = np.random.default_rng(seed)
    model, image = draw_model(rng)
    count, batch_size = SIZES[seed % len(SIZES)]
    images = rng.integers(0, 256, (count, *image), dtype=np.uint8)
    device, reference = cuda_emulator.EmulatedDevice("float32"), AdamW(1e-2, weight_decay=0.1)
    optimizer = AdamW(1e-2, weight_decay=0.1)
    training = CapturedTraining([model], [optimizer], images, batch_size=batch_size, seeds=[3], device=device)
    data = ArrayDataset(images)
    visits = [indices for epoch in range(3) for indices in batches(count, batch_size, seed=3, epoch=epoch)]
    for indices in visits[:3]:
        exact, expected = model.astype(np.float64), model.values.copy()
        loss, backward = reconstruction(exact, data.batch(indices, np.float64))
        exact.zero_grads()
        backward()
        np.testing.assert_allclose(training.run(1)[0, 0], loss, rtol=1e-5)
        grads = training._read(0, training._vectors["grads"])
        check_gradients(exact, grads)
        training.store()
        reference.step(expected, grads)
        # Products and sums are rounded alike; powers of beta and the root may differ in the last place.
        np.testing.assert_allclose(model.values, expected, rtol=2**-20, atol=2**-22)


def check_gradients(exact, grads):
    """Compare each parameter's gradient by its own size, so that a wrong one in front of a saturated stage shows."""
    start = 0
    for name, parameter in exact.named_parameters():
        if parameter.trainable and parameter.grad.size:
            part = grads[start : start + parameter.grad.size].reshape(parameter.shape)
            # Terms of order 1e-2 may cancel to less than float32 resolves.
            bound = 2e-5 * np.abs(parameter.grad).max() + 1e-8
            np.testing.assert_allclose(part, parameter.grad, rtol=0, atol=bound, err_msg=name)
            start += parameter.grad.size
    assert start == grads.size


@pytest.mark.parametrize("part", range(4))
def test_every_drawn_model(part):
    check_models(range(part * MODELS // 4, (part + 1) * MODELS // 4))


def test_chains_too_wide_for_one_launch(monkeypatch):
    """Matrices of more than 256 columns are multiplied one by one; here all chains are."""
    monkeypatch.setattr(primitives, "CHAIN_WIDTH", 1)
    check_models(range(30))


def leaves(layer):
    if isinstance(layer, (Sequential, Autoencoder)):
        for child in layer.children.values():
            yield from leaves(child)
    else:
        yield layer


def test_the_drawn_models_cross_what_matters():
    rows = [[*leaves(draw_model(np.random.default_rng(seed))[0])] for seed in range(MODELS)]
    followed = [pair for row in rows for pair in itertools.pairwise(row)]
    for kind in (Conv2d, ConvTranspose2d):
        for bias in (True, False):
            of_kind = [(a, b) for a, b in followed if isinstance(a, kind) and ("b" in a.parameters) == bias]
            for activation in (ReLU, Tanh, Sigmoid, Flatten):
                assert sum(isinstance(b, activation) for _, b in of_kind) >= 3, (kind, bias, activation)
            assert sum(a.kernel[0] != a.kernel[1] for a, _ in of_kind) >= 20
            assert sum(max(a.options["stride"]) > 1 and max(a.options["padding"]) > 0 for a, _ in of_kind) >= 10
    for bias in (True, False):
        # Pixels beyond the last window are the bias alone; without one a ReLU is there at its kink.
        beyond = [
            any(map(int.__gt__, a.options["output_padding"], a.options["padding"]))
            for a, b in followed
            if isinstance(a, ConvTranspose2d) and isinstance(b, ReLU) and ("b" in a.parameters) == bias
        ]
        assert sum(beyond) >= 5
    borders = [b for a, b in followed if isinstance(a, LinearStack) and isinstance(b, (ReLU, Tanh, Sigmoid))]
    assert len(borders) >= 3
    chains = [layer for row in rows for layer in row if isinstance(layer, LinearStack) and layer.layers > 1]
    kinds = {(c.parameters["W"].trainable, len(c.parameters["W"].value) == c.layers) for c in chains}
    assert kinds == set(itertools.product((True, False), repeat=2))


def absent(value):
    return None


def zero(value):
    return type(value)(0)


def more(value):
    return type(value)(value + 1)


def less(value):
    return type(value)(max(1, value - 1))


def scaled(factor):
    return lambda value: type(value)(factor * value)


WRONG = {
    "convolution": [
        ("conv_forward", "bias", absent),
        ("conv_forward", "activation", zero),
        ("conv_forward", "PH", more),
        ("conv_input_gradient", "saved_activation", zero),
        ("conv_input_gradient", "PW", more),
        ("conv_weight_gradient", "ones", zero),
        ("conv_weight_gradient", "PH", more),
    ],
    "transposed": [
        ("conv_input_gradient", "bias", absent),
        ("conv_input_gradient", "activation", zero),
        ("conv_input_gradient", "PH", more),
        ("conv_forward", "saved_activation", zero),
        ("conv_forward", "PW", more),
        ("conv_weight_gradient", "PH", more),
        ("column_sum", "rows", less),
    ],
    "linear": [
        ("conv_forward", "bias", absent),
        ("conv_forward", "activation", zero),
        ("conv_input_gradient", "saved_activation", zero),
        ("conv_weight_gradient", "ones", zero),
    ],
    "chain": [
        ("chain", "matrix_stride", zero),
        ("chain", "layers", less),
        ("chain", "saved_activation", zero),
        ("conv_weight_gradient", "group_x", zero),
    ],
    "ends": [
        ("gather_uint8", "steps_per_epoch", more),
        ("mean_squared_error", "scale", scaled(1.001)),
        ("mean_squared_error", "activation", zero),
        ("adam", "beta1", scaled(0.99)),
        ("adam", "beta2", scaled(0.99)),
        ("adam", "epsilon", scaled(2)),
        ("adam", "weight_decay", scaled(0.99)),
    ],
}


@pytest.mark.parametrize(
    "kind, kernel, argument, change", [(kind, *wrong) for kind, wrongs in WRONG.items() for wrong in wrongs]
)
def test_one_wrong_argument_turns_it_red(kind, kernel, argument, change, monkeypatch):
    """In the launches of one kind of stage: `argument`, named as in the kernel's source, is another."""

    def altered(launches):
        return tuple(changed(launch, argument, change) if launch.kernel == kernel else launch for launch in launches)

    def sabotage(owner, name, applies):
        original = getattr(owner, name)
        wrong = lambda self, *a: altered(original(self, *a)) if applies(self) else original(self, *a)  # noqa: E731
        monkeypatch.setattr(owner, name, wrong)

    if kind == "ends":
        sabotage(StepPlan, "launches", lambda plan: True)
    else:
        for name in ("forward", "backward"):
            sabotage(PlacedStage, name, lambda placed: placed.stage.kind == kind)
    with pytest.raises(AssertionError):
        check_models(range(MODELS // 4))


def changed(launch, argument, change):
    """`launch` with one argument changed."""
    at = [name for name, _, _ in declared(launch.kernel)].index(argument)
    arguments = list(launch.arguments)
    arguments[at] = change(arguments[at])
    return replace(launch, arguments=tuple(arguments))
