"""What must hold on every device, as functions of its name: the stand-in without a card, "cuda" with one."""

from functools import partial

import numpy as np

from minirmae import layers
from minirmae.arrays import array_module, asarray, asnumpy, device_of
from minirmae.data import ArrayDataset, DeviceDataset, LabelledBatch, to_device
from minirmae.gradcheck.precision import CONSTANT
from minirmae.gradcheck.suite import selected
from minirmae.models.autoencoder import ModelConfig, build
from minirmae.objectives import recipe, reconstruction
from minirmae.optimizers import SGD, Adam, AdamW, Momentum
from minirmae.runs import fit, load_checkpoint, save_checkpoint

# Presets have millions of parameters; their layers are the same.
CASES = {case.name: case for case in selected(presets=False)}
OPTIMIZERS = {
    "SGD": partial(SGD, 0.1),
    "Momentum": partial(Momentum, 0.1),
    "Adam": partial(Adam, 1e-2),
    "AdamW": partial(AdamW, 1e-2),
}
MODELS = [
    ("shapes", 0, "linear"),
    ("shapes", 3, "linear"),
    ("shapes", 2, "fixed"),
    ("shapes", 2, "shared"),
    ("shapes", 2, "relu"),
    ("mnist", 2, "linear"),
]
SHAPES = {"shapes": (32, 32, 3), "mnist": (32, 32, 1)}


def assert_close(found, exact, length, dtype=np.float64):
    """Compare as the rung "float32" of the gradient check does: 8 eps sqrt(L) in the Euclidean norm."""
    found, exact = asnumpy(found), asnumpy(exact)
    assert found.shape == exact.shape
    assert found.dtype == exact.dtype
    scale = np.linalg.norm(exact)
    assert np.linalg.norm(found - exact) <= CONSTANT * np.finfo(dtype).eps * np.sqrt(length) * scale


def check_case(name, device):
    """The gradient checker's ladder, level 5: value and gradients in float32 and float64 against NumPy's."""
    report = CASES[name].run(0, device).require()
    methods = {row.method for row in report.rows}
    if CASES[name].point is not None:
        assert {f"{dtype} on {asarray_name(device)}" for dtype in ("float32", "float64")} <= methods


def asarray_name(device):
    """The full name of a device."""
    return device_of(asarray(np.zeros(1), device))


def every_layer(rng, dtype=np.float32):
    """A model with every kind of layer, for images 9 x 9 x 2."""
    return layers.Sequential(
        layers.Conv2d(2, 3, (3, 4), stride=(2, 1), padding=1, rng=rng, dtype=dtype),
        layers.LeakyReLU(),
        layers.ConvTranspose2d(3, 2, 4, stride=2, padding=1, rng=rng, dtype=dtype),
        layers.ReLU(),
        layers.MaxPool2d((2, 3), (2, 1)),
        layers.AvgPool2d(2),
        layers.Tanh(),
        layers.Flatten(),
        layers.Linear(2 * 7 * 2, 6, rng=rng, dtype=dtype),
        layers.Sigmoid(),
        layers.Dropout(0.5),
        layers.LinearStack(6, 2, rng=rng, dtype=dtype),
        layers.LinearStack(6, 2, rng=rng, shared=True, dtype=dtype),
        layers.LinearStack(6, 2, rng=rng, trainable=False, dtype=dtype),
        layers.Linear(6, 162, rng=rng, bias=False, dtype=dtype),
        layers.Reshape((9, 9, 2)),
    )


def step(model, x, optimizer, rng=None):
    """One training step; the loss stays where it is."""
    loss, backward = reconstruction(model, x, rng)
    model.grads[...] = 0
    backward()
    optimizer.step(model.values, model.grads)
    return loss


def check_optimizer(name, device, count=lambda: 0):
    """Three steps of a model with every layer equal NumPy's, in float64, and copy nothing."""
    rng = np.random.default_rng(0)
    model, x = every_layer(rng, np.float64), rng.random((3, 9, 9, 2))
    there, x_there, optimizers = model.to(device), asarray(x, device), (OPTIMIZERS[name](), OPTIMIZERS[name]())
    for _ in range(3):
        loss = step(model, x, optimizers[0])
        before = count()
        loss_there = step(there, x_there, optimizers[1])
        assert count() == before
        assert device_of(loss_there) == there.device
        assert_close(loss_there, loss, x.size)
    assert_close(there.grads, model.grads, x.size)
    assert_close(there.values, model.values, x.size)
    for moment, exact in zip(optimizers[1].moments.values(), optimizers[0].moments.values(), strict=True):
        assert device_of(moment) == there.device
        assert_close(moment, exact, x.size)


def check_model(preset, linear_layers, variant, device, count=lambda: 0):
    """One training step of an autoencoder in float64 equals NumPy's, and copies nothing."""
    rng = np.random.default_rng(0)
    model = build(ModelConfig(preset, 5, linear_layers, variant), rng, np.float64)
    x = rng.random((2, *SHAPES[preset]))
    there, x_there = model.to(device), asarray(x, device)
    step(model, x, Adam(1e-3))
    before = count()
    step(there, x_there, Adam(1e-3))
    assert count() == before
    assert_close(there.grads, model.grads, x.size)
    assert np.array_equal(asnumpy(there.fixed), model.fixed)
    assert_close(there.encode(x_there), model.encode(x), x.size)
    assert_close(there.reconstruct(x_there, batch_size=1), model.reconstruct(x), x.size)
    if variant == "linear":
        assert_close(there.collapsed().encode(x_there), model.encode(x), x.size)


def check_objective(name, device, count=lambda: 0):
    """Loss, gradient and what `update` moves equal NumPy's; what travels is the noise, which is drawn on the host."""
    found, rng = recipe(name), np.random.default_rng(1)
    settings = found.complete({})
    objective, images = found.objective(settings), rng.random((3, *SHAPES["shapes"]))
    linear_layers = 2 if found.linear_layers is None else found.linear_layers
    if name == "classify":
        config, batch = ModelConfig.paper("shapes", linear_layers=0), LabelledBatch(images, np.array([0, 1, 2]))
    else:
        config, batch = ModelConfig("shapes", 8, linear_layers), images
    model = found.build(config, settings, np.random.default_rng(0), np.float64)
    there, batch_there = model.to(device), to_device(batch, device)
    results = []
    for subject, x in ((model, batch), (there, batch_there)):
        before = count()
        loss, backward = objective(subject, x, np.random.default_rng(2))
        update = backward()
        if update is not None:
            update()
        results.append((loss, subject.grads, subject.fixed))
        assert count() - before <= 2
    for mine, exact in zip(results[1], results[0], strict=True):
        assert device_of(mine) == there.device
        assert_close(mine, exact, images.size)


def check_dropout(device, count=lambda: 0):
    """The mask is drawn on the host, so one seed drops the same entries; it is what travels."""
    x = np.random.default_rng(0).random((4, 50))
    layer = layers.Dropout(0.5)
    y, _ = layer(x, np.random.default_rng(1))
    x_there, before = asarray(x, device), count()
    there, _ = layer(x_there, np.random.default_rng(1))
    assert count() - before in (0, 1)
    assert np.array_equal(asnumpy(there), y)


def tiny_problem():
    """A small convolutional model in float64, twenty images, and an optimiser."""
    rng = np.random.default_rng(3)
    images = rng.integers(0, 256, (20, 9, 9, 2), dtype=np.uint8)
    return every_layer(rng, np.float64), ArrayDataset(images), Adam(1e-2)


def check_fit(device, count=lambda: 0):
    """The loop on a device gives NumPy's losses, with the data set on either side, dropout included."""
    model, data, optimizer = tiny_problem()
    losses = fit(model, data, optimizer, steps=12, batch_size=6)
    for dataset in (data, DeviceDataset(data, device)):
        there = tiny_problem()[0].to(device)
        before = count()
        assert_close(fit(there, dataset, Adam(1e-2), steps=12, batch_size=6), losses, 162)
        # Up: a batch or its indices, and a mask. Down: the loss, and whether the gradient is finite.
        assert count() - before in (0, 12 * 4)
        assert_close(there.values, model.values, 162 * 12)


def check_dataset(device):
    """Batches of a resident data set are those of the data set, whatever it is made of."""
    rng = np.random.default_rng(0)
    for images in (rng.integers(0, 256, (7, 3, 4, 2), dtype=np.uint8), rng.random((7, 3, 4, 2)).astype(np.float32)):
        data = ArrayDataset(images)
        there = DeviceDataset(data, device)
        indices = [6, 0, 3]
        for chosen in (indices, asarray(np.array(indices), device)):
            batch = there.batch(chosen, np.float32)
            assert device_of(batch) == asarray_name(device)
            assert np.array_equal(asnumpy(batch), data.batch(indices, np.float32))
        assert len(there) == 7
        assert there.shape == (3, 4, 2)
        assert there.dtype == images.dtype


def check_checkpoint(device, path):
    """What is saved on one device is loaded on the other, bit for bit, with the optimiser; and the file is the same."""
    model, data, optimizer = tiny_problem()
    there, optimizer_there = model.to(device), Adam(1e-2)
    fit(there, data, optimizer_there, steps=3, batch_size=6)
    save_checkpoint(path / "there.npz", there, optimizer_there, np.random.default_rng(0))
    checkpoint = load_checkpoint(path / "there.npz")
    checkpoint.restore(model, optimizer)
    assert model.device == "cpu"
    assert np.array_equal(model.values, asnumpy(there.values))
    assert np.array_equal(model.fixed, asnumpy(there.fixed))
    assert np.array_equal(optimizer.moments["second_moment"], asnumpy(optimizer_there.moments["second_moment"]))
    save_checkpoint(path / "here.npz", model, optimizer, np.random.default_rng(0))
    assert (path / "here.npz").read_bytes() == (path / "there.npz").read_bytes()
    back, optimizer_back = tiny_problem()[0].to(device), Adam(1e-2)
    load_checkpoint(path / "here.npz").restore(back, optimizer_back)
    assert back.device == there.device
    assert np.array_equal(asnumpy(back.values), asnumpy(there.values))
    here, again = (fit(m, data, o, steps=2, batch_size=6) for m, o in ((model, optimizer), (back, optimizer_back)))
    assert_close(again, here, 162)


def check_labels(device):
    """A label out of range, which nobody waits for on a device, makes the loss NaN; the others leave it alone."""
    from minirmae.ops import softmax_cross_entropy

    logits = np.random.default_rng(0).standard_normal((3, 4))
    there = asarray(logits, device)
    exact, _ = softmax_cross_entropy(logits, np.array([0, 3, 1]))
    found, _ = softmax_cross_entropy(there, asarray(np.array([0, 3, 1]), device))
    assert_close(found, np.asarray(exact), 12)
    broken, _ = softmax_cross_entropy(there, asarray(np.array([0, 4, 1]), device))
    assert np.isnan(asnumpy(broken))
    assert array_module(there) is not np
