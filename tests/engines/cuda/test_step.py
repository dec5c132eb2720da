"""Whole training steps, computed by the CUDA sources on the emulator, against the NumPy loop."""

import cuda_emulator
import numpy as np
import pytest
from cuda_models import IMAGES, autoencoder, dense

from minirmae.data import ArrayDataset
from minirmae.engines.cuda.memory import CAPACITY
from minirmae.engines.cuda.network import NotCapturable
from minirmae.engines.cuda.step import CapturedTraining
from minirmae.optimizers import SGD, Adam, AdamW
from minirmae.runs import fit
from minirmae.schedules import cosine
from minirmae.step import NonFiniteLoss

pytestmark = pytest.mark.skipif(cuda_emulator.COMPILER is None, reason="no C++ compiler (g++ or clang++)")

MODELS = {
    "linear": autoencoder,
    "shared": lambda seed=0: autoencoder(seed, shared=True),
    "fixed": lambda seed=0: autoencoder(seed, trainable=False),
    "none": lambda seed=0: autoencoder(seed, layers=0),
    "dense": dense,
}


def captured(models, optimizers, *, device=None, precision="float32", batch_size=8, seeds=None, images=IMAGES):
    device = cuda_emulator.EmulatedDevice(precision) if device is None else device
    seeds = list(range(3, 3 + len(models))) if seeds is None else seeds
    return CapturedTraining(models, optimizers, images, batch_size=batch_size, seeds=seeds, device=device)


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_training_equals_the_cpus(make):
    """Ten steps over three epochs with a smaller last batch: the same losses and parameters but for rounding."""
    ours, theirs = make(), make()
    optimizer, reference = AdamW(1e-2), AdamW(1e-2)
    training = captured([ours], [optimizer])
    losses = training.run(10)[:, 0]
    training.store()
    expected = fit(theirs, ArrayDataset(IMAGES), reference, steps=10, batch_size=8, seed=3)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    np.testing.assert_allclose(ours.values, theirs.values, atol=1e-5)
    assert optimizer.steps == reference.steps == 10


def test_tf32_stays_close():
    ours, theirs = autoencoder(), autoencoder()
    losses = captured([ours], [Adam(1e-3)], precision="tf32").run(6)[:, 0]
    expected = fit(theirs, ArrayDataset(IMAGES), Adam(1e-3), steps=6, batch_size=8, seed=3)
    # Operands are off by 2^-11 at most; the loss is an average over many.
    np.testing.assert_allclose(losses, expected, rtol=2**-11)
    assert (losses != expected).any()


def test_nothing_is_allocated_or_read_back_within_a_round():
    device = cuda_emulator.EmulatedDevice()
    training = captured([autoencoder()], [Adam(1e-3)], device=device)
    assert device.allocations == 2, "one arena, and the images"
    before = device.uploads, device.downloads
    training.start(6)
    assert device.allocations == 2
    assert device.downloads == before[1]
    assert device.uploads == before[0] + 1 + 2, "learning rates once, and an order for each of two epochs"
    training.finish()
    assert device.downloads == before[1] + 2, "losses and flags"


@pytest.mark.parametrize("precision", ["float32", "tf32"])
def test_blocks_and_threads_in_another_order_give_the_same_bits(precision):
    results = []
    for reverse in (False, True):
        model, optimizer = autoencoder(), Adam(1e-2)
        training = captured([model], [optimizer], device=cuda_emulator.EmulatedDevice(precision, reverse))
        losses = training.run(4)
        training.store()
        results.append((losses, model.values.copy(), optimizer.moments["second_moment"]))
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


def test_going_on_is_as_if_one_had_not_stopped():
    """In the middle of an epoch, through the host's model and optimiser."""
    whole, parts = autoencoder(), autoencoder()
    rate = cosine(1e-2, steps=9)
    training = captured([whole], [Adam(rate)])
    losses = training.run(9)
    training.store()
    optimizer = Adam(rate)
    pieces = []
    for count in (4, 5):
        training = captured([parts], [optimizer])
        pieces.append(training.run(count))
        training.store()
    np.testing.assert_array_equal(np.concatenate(pieces), losses)
    np.testing.assert_array_equal(parts.values, whole.values)


def test_rounds_do_not_show():
    """The rings of losses and rates come round without a seam."""
    model, theirs = dense(), dense()
    optimizer, reference = Adam(lambda step: 1e-4 * (1 + step % 7)), Adam(lambda step: 1e-4 * (1 + step % 7))
    optimizer.steps = reference.steps = CAPACITY - 3
    training = captured([model], [optimizer], images=IMAGES[:4], batch_size=4)
    losses = training.run(6)[:, 0]
    expected = fit(theirs, ArrayDataset(IMAGES[:4]), reference, steps=6, batch_size=4, seed=3)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


def test_replicas_equal_single_runs_bit_for_bit():
    models, optimizers = [autoencoder(s) for s in range(3)], [Adam(1e-2 / (s + 1)) for s in range(3)]
    together = captured(models, optimizers, precision="tf32")
    losses = together.run(5)
    together.store()
    for s in range(3):
        model, optimizer = autoencoder(s), Adam(1e-2 / (s + 1))
        alone = captured([model], [optimizer], precision="tf32", seeds=[3 + s])
        np.testing.assert_array_equal(alone.run(5)[:, 0], losses[:, s])
        alone.store()
        np.testing.assert_array_equal(model.values, models[s].values)
        np.testing.assert_array_equal(optimizer.moments["first_moment"], optimizers[s].moments["first_moment"])


def test_divergence_stops_before_the_update():
    model, optimizer = autoencoder(), Adam(1e-3)
    training = captured([model, autoencoder(1)], [optimizer, Adam(1e-3)])
    training.run(3)
    training.store()
    good = model.values.copy()
    model.values[0] = np.nan
    training.load()
    with pytest.raises(NonFiniteLoss, match=r"stopped at step 4 in model 0 of 2: the loss is not finite \(learning"):
        training.run(5)
    training.store()
    np.testing.assert_array_equal(model.values[1:], good[1:])
    assert optimizer.steps == 3
    assert training.optimizers[1].steps == 8, "the other model is none the worse"


def test_float_images_and_logits():
    """Data that is not bytes, and the other loss."""
    images = (IMAGES[:6] / 255).astype(np.float32)
    model = autoencoder(layers=0, output=Tanh_free)
    device = cuda_emulator.EmulatedDevice()
    training = CapturedTraining(
        [model], [Adam(1e-2)], images, batch_size=6, seeds=[0], device=device, loss="binary_cross_entropy"
    )
    losses = training.run(4)[:, 0]
    reference = autoencoder(layers=0, output=Tanh_free)
    expected = fit(reference, ArrayDataset(images), Adam(1e-2), steps=4, batch_size=6, objective=cross_entropy)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


def Tanh_free():
    from minirmae.layers import Flatten

    return Flatten()


def cross_entropy(model, x, rng=None):
    from minirmae.ops import binary_cross_entropy_with_logits

    y, model_backward = model(x, rng)
    loss, backward = binary_cross_entropy_with_logits(y, x.reshape(y.shape))
    return loss, lambda: model_backward(backward()) is None or None


def test_what_cannot_step_together_is_refused():
    with pytest.raises(NotCapturable, match="must have one architecture"):
        captured([autoencoder(), autoencoder(layers=2)], [Adam(1e-3), Adam(1e-3)])
    with pytest.raises(NotCapturable, match="differ in the learning rate only"):
        captured([autoencoder(), autoencoder()], [Adam(1e-3), AdamW(1e-3)])
    with pytest.raises(NotCapturable, match="the optimiser is SGD"):
        captured([autoencoder()], [SGD(1e-3)])
    with pytest.raises(NotCapturable, match="must be uint8 or float32, got float64"):
        captured([autoencoder()], [Adam(1e-3)], images=IMAGES / 255.0)
    with pytest.raises(ValueError, match="got 2 models, 1 optimisers and 2 seeds"):
        captured([autoencoder(), autoencoder()], [Adam(1e-3)])
    late = Adam(1e-3)
    late.steps = 4
    with pytest.raises(ValueError, match=r"different numbers of steps, \[0, 4\]"):
        captured([autoencoder(), autoencoder()], [Adam(1e-3), late])
