"""Steps in chunks, and the host's models that follow them."""

from dataclasses import replace

import cuda_emulator
import numpy as np
import pytest
from cuda_models import IMAGES, autoencoder

from minirmae.data import ArrayDataset
from minirmae.engines.cuda.replicas import Replicas
from minirmae.engines.cuda.training import fit_replicas, steps_together
from minirmae.layers import Dropout, Flatten, Linear, Reshape, Sequential
from minirmae.loop import captured_steps, steps_of, training_steps
from minirmae.optimizers import SGD, Adam
from minirmae.step import NonFiniteLoss

needs_compiler = pytest.mark.skipif(cuda_emulator.COMPILER is None, reason="no C++ compiler (g++ or clang++)")

DATA = ArrayDataset(IMAGES)


@needs_compiler
def test_steps_are_those_of_the_ordinary_loop():
    options = {"steps": 7, "batch_size": 8, "seed": 2}
    optimizer, reference = Adam(lambda step: 1e-2 / (1 + step)), Adam(lambda step: 1e-2 / (1 + step))
    ours = list(captured_steps(autoencoder(), DATA, optimizer, device=cuda_emulator.EmulatedDevice(), **options))
    theirs = list(training_steps(autoencoder(), DATA, reference, **options))
    for one, other in zip(ours, theirs, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=1e-5)
        assert replace(one, loss=0) == replace(other, loss=0)
        assert one.seconds > 0


@needs_compiler
def test_the_model_is_there_when_it_is_needed():
    """With `until` every three steps: then, and at the end, the host's model is the ordinary loop's."""
    model, optimizer, device = autoencoder(), Adam(1e-2), cuda_emulator.EmulatedDevice()
    reference, its = autoencoder(), Adam(1e-2)
    ordinary = training_steps(reference, DATA, its, steps=8, batch_size=8)
    until = lambda step: (step // 3 + 1) * 3  # noqa: E731
    current = []
    for step in captured_steps(model, DATA, optimizer, steps=8, batch_size=8, device=device, until=until):
        next(ordinary)
        if optimizer.steps == step.number:
            current.append(step.number)
            np.testing.assert_allclose(model.values, reference.values, atol=1e-5)
    assert current == [3, 6, 8]


@needs_compiler
def test_chunks_are_plain_and_leave_no_gap():
    """(first, losses, seconds), cut where the host needs the models; together the losses of `fit_replicas`."""

    def make():
        models, optimizers = [autoencoder(s) for s in range(2)], [Adam(1e-2) for _ in range(2)]
        make_device = cuda_emulator.EmulatedDevice
        return Replicas(models, [DATA], optimizers, batch_size=8, seeds=[0, 1], make_device=make_device)

    chunks = list(steps_together(make(), 7, until=lambda step: step + 3))
    assert [(first, losses.shape) for first, losses, _ in chunks] == [(0, (3, 2)), (3, (3, 2)), (6, (1, 2))]
    assert all(seconds > 0 for _, _, seconds in chunks)
    np.testing.assert_array_equal(np.concatenate([losses for _, losses, _ in chunks]), fit_replicas(make(), 7))
    assert list(steps_together(make(), 0)) == []
    assert fit_replicas(make(), 0).shape == (0, 2)


@needs_compiler
def test_steps_of_several_models_come_together():
    models, optimizers = [autoencoder(s) for s in range(2)], [Adam(1e-2), Adam(1e-3)]
    make_device = cuda_emulator.EmulatedDevice
    replicas = Replicas(models, [DATA], optimizers, batch_size=8, seeds=[0, 1], make_device=make_device)
    rows = list(steps_of(replicas, steps_together(replicas, 4)))
    for r in range(2):
        alone = list(
            training_steps(autoencoder(r), DATA, Adam(optimizers[r].learning_rate), steps=4, batch_size=8, seed=r)
        )
        for ours, theirs in zip([row[r] for row in rows], alone, strict=True):
            assert ours.loss == pytest.approx(theirs.loss, rel=1e-5)
            assert replace(ours, loss=0) == replace(theirs, loss=0)


@needs_compiler
def test_an_interruption_brings_the_model_home():
    model, optimizer, device = autoencoder(), Adam(1e-2), cuda_emulator.EmulatedDevice()
    optimizer.steps, asked = 250, []
    steps = captured_steps(
        model, DATA, optimizer, steps=20, batch_size=8, device=device, interrupted=lambda: asked.append(1) or True
    )
    numbers = [step.number for step in steps if optimizer.steps == step.number]
    # The rings come round at 256.
    assert numbers == [256, 270]
    assert len(asked) == 1


@needs_compiler
def test_divergence_leaves_the_good_parameters():
    model, optimizer, device = autoencoder(), Adam(1e-2), cuda_emulator.EmulatedDevice()
    list(captured_steps(model, DATA, optimizer, steps=2, batch_size=8, device=device))
    model.values[0] = np.nan
    with pytest.raises(NonFiniteLoss, match="training stopped at step 3:"):
        list(captured_steps(model, DATA, optimizer, steps=4, batch_size=8, device=device))
    assert optimizer.steps == 2
    assert np.isfinite(model.values[1:]).all()


@pytest.mark.parametrize("case", ["dropout", "optimizer", "objective"])
def test_what_cannot_be_captured_is_trained_all_the_same_with_one_warning(case):
    rng = np.random.default_rng(0)
    layers = [Flatten(), Linear(64, 64, rng=rng), *([Dropout(0.1)] if case == "dropout" else []), Reshape((8, 8, 1))]
    model = Sequential(*layers)
    optimizer = SGD(0.1) if case == "optimizer" else Adam(1e-2)
    from minirmae.objectives import reconstruction

    objective = (lambda *a: reconstruction(*a)) if case == "objective" else reconstruction
    words = {"dropout": "Dropout has no", "optimizer": "optimiser is SGD", "objective": "only the plain"}[case]
    with pytest.warns(RuntimeWarning, match=words) as caught:
        steps = list(
            captured_steps(model, DATA, optimizer, steps=3, batch_size=8, objective=objective, device=NoDevice())
        )
    assert len(caught) == 1
    assert [step.number for step in steps] == [1, 2, 3]


class NoDevice:
    """Nothing may be asked of it."""
