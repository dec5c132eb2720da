"""Many models at once: each ends as if trained alone."""

import cuda_emulator
import numpy as np
import pytest
from cuda_models import IMAGES, autoencoder

from minirmae.data import ArrayDataset, DeviceDataset, Subset, shapes
from minirmae.engines.cuda.network import NotCapturable
from minirmae.engines.cuda.replicas import Replicas, like, resident
from minirmae.engines.cuda.training import fit_replicas
from minirmae.loop import captured_steps
from minirmae.optimizers import Adam
from minirmae.step import NonFiniteLoss

needs_compiler = pytest.mark.skipif(cuda_emulator.COMPILER is None, reason="no C++ compiler (g++ or clang++)")

DATA = ArrayDataset(IMAGES)


def test_resident_images():
    data = ArrayDataset(IMAGES)
    np.testing.assert_array_equal(resident(data), IMAGES)
    np.testing.assert_array_equal(resident(DeviceDataset(data, "cpu")), IMAGES)
    subset = Subset(Subset(data, [5, 3, 1]), [2, 0])
    np.testing.assert_array_equal(resident(subset), IMAGES[[1, 5]])
    drawn = shapes(3, seed=0)
    stored = resident(drawn)
    stored = stored / np.float32(255) if stored.dtype == np.uint8 else stored
    np.testing.assert_array_equal(stored, drawn.batch([0, 1, 2]))
    doubles = ArrayDataset(IMAGES / 255)
    assert resident(doubles).dtype == np.float32


@needs_compiler
def test_replicas_of_two_architectures_equal_single_runs():
    """Two depths, two seeds each: like ones together, the others beside them."""
    depths = [1, 2, 1, 2]

    def models():
        return [autoencoder(i, layers=l) for i, l in enumerate(depths)]

    assert like(models(), (8, 8, 1)) == [[0, 2], [1, 3]]
    together = models()
    replicas = Replicas(
        together,
        [DATA],
        [Adam(1e-2) for _ in depths],
        batch_size=8,
        seeds=range(4),
        make_device=cuda_emulator.EmulatedDevice,
    )
    losses = fit_replicas(replicas, 4)
    for i, model in enumerate(models()):
        device = cuda_emulator.EmulatedDevice()
        options = {"steps": 4, "batch_size": 8, "seed": i, "device": device}
        alone = [s.loss for s in captured_steps(model, DATA, Adam(1e-2), **options)]
        np.testing.assert_array_equal(losses[:, i], np.float32(alone))
        np.testing.assert_array_equal(model.values, together[i].values)


def test_replicas_need_as_many_seeds():
    with pytest.raises(ValueError, match="got 1 models, 1 optimisers, 2 seeds"):
        Replicas([autoencoder()], [DATA], [Adam()], batch_size=8, seeds=[0, 1])


@needs_compiler
def test_replicas_may_each_have_a_data_set_of_their_own():
    """As with images that a seed draws: each model ends as it does alone on its own."""
    own = [ArrayDataset(np.roll(IMAGES, s, axis=2) // (s + 1)) for s in range(3)]
    together = [autoencoder(s, layers=1 + s // 2) for s in range(3)]
    options = {"batch_size": 8, "make_device": cuda_emulator.EmulatedDevice}
    losses = fit_replicas(Replicas(together, own, [Adam(1e-2) for _ in own], seeds=range(3), **options), 4)
    for s in range(3):
        alone = autoencoder(s, layers=1 + s // 2)
        expected = fit_replicas(Replicas([alone], [own[s]], [Adam(1e-2)], seeds=[s], **options), 4)
        np.testing.assert_array_equal(losses[:, s], expected[:, 0])
        np.testing.assert_array_equal(alone.values, together[s].values)


@needs_compiler
def test_equal_data_sets_lie_on_the_gpu_once():
    device = cuda_emulator.EmulatedDevice()
    models, data = [autoencoder(0), autoencoder(1)], [ArrayDataset(IMAGES), ArrayDataset(IMAGES.copy())]
    replicas = Replicas(models, data, [Adam(), Adam()], batch_size=8, seeds=[0, 1], make_device=lambda: device)
    assert not replicas.plan.own_images
    data[1] = ArrayDataset(255 - IMAGES)
    assert Replicas(
        models, data, [Adam(), Adam()], batch_size=8, seeds=[0, 1], make_device=lambda: device
    ).plan.own_images


def test_data_sets_of_different_sizes_cannot_go_together():
    models, data = [autoencoder(), autoencoder(1)], [DATA, ArrayDataset(IMAGES[:9])]
    with pytest.raises(NotCapturable, match="equally many images"):
        Replicas(models, data, [Adam(), Adam()], batch_size=8, seeds=[0, 1])


@needs_compiler
def test_the_model_that_diverged_is_named():
    models = [autoencoder(0), autoencoder(1, layers=2), autoencoder(2, layers=2)]
    models[2].values[0] = np.nan
    names, make_device = ("a", "b", "c"), cuda_emulator.EmulatedDevice
    adams = [Adam(1e-2) for _ in models]
    replicas = Replicas(models, [DATA], adams, batch_size=8, seeds=range(3), make_device=make_device, names=names)
    with pytest.raises(NonFiniteLoss, match="stopped at step 1 in c: the loss is not finite"):
        fit_replicas(replicas, 4)
