"""What it means that an engine computes the same as the reference; one function a level, each raises AssertionError."""

import numpy as np

from minirmae import ops
from minirmae.engine import prepared, training_step
from minirmae.engines.cpu import ops as fast
from minirmae.layers import Conv2d, ConvTranspose2d, Flatten, Linear, LinearStack, ReLU, Reshape, Sequential, Tanh
from minirmae.objectives import recipe, reconstruction
from minirmae.optimizers import Adam, AdamW, Momentum

DTYPES = ("f4", "f8", "c16")


def draw_geometry(rng):
    """A convolution with every option crossed with every other: (op, shapes of x, W and b, options, dtype)."""
    name = rng.choice(["conv2d", "conv_transpose2d"])
    if rng.random() < 0.1:  # nine products for sixteen
        C, O = (int(n) for n in rng.choice([32, 48], 2))
        options, kernel, size = {"stride": (2, 2), "padding": (1, 1)}, (4, 4), tuple(4 * rng.integers(1, 3, 2))
        C, O = (C, int(rng.integers(1, 5))) if name == "conv2d" else (int(rng.integers(1, 5)), O)
        if name == "conv_transpose2d":
            size = tuple(n // 2 for n in size)
            options["output_padding"] = (0, 0)
    else:
        kernel, stride, padding = (tuple(rng.integers(low, high, 2)) for low, high in ((1, 5), (1, 4), (0, 3)))
        options = {"stride": stride, "padding": padding}
        size = tuple(max(1, k - 2 * p) + int(rng.integers(0, 5)) for k, p in zip(kernel, padding, strict=True))
        C, O = (int(n) for n in rng.integers(1, 10, 2))
        if name == "conv_transpose2d":
            options["output_padding"] = tuple(int(rng.integers(0, s)) for s in stride)
            lost = zip(size, stride, padding, kernel, options["output_padding"], strict=True)
            if any((n - 1) * s - 2 * p + k + e < 1 for n, s, p, k, e in lost):
                return draw_geometry(rng)
    options = {key: tuple(map(int, value)) for key, value in options.items()}
    x = int(rng.choice([0, 1, 2, 5])), *map(int, size), C
    W = (*map(int, kernel), C, O) if name == "conv2d" else (*map(int, kernel), O, C)
    return name, x, W, (O,) if rng.random() < 0.7 else None, options, str(rng.choice(DTYPES))


def arrays(rng, dtype, *shapes):
    """Random arrays; complex ones have an imaginary part."""
    drawn = [None if shape is None else rng.normal(size=shape) for shape in shapes]
    if dtype == "c16":
        drawn = [a if a is None else a + 1j * rng.normal(size=a.shape) for a in drawn]
    return [a if a is None else a.astype(dtype) for a in drawn]


def require_close(found, expected, terms=1, what=""):
    """Equal up to the rounding of sums of `terms` terms."""
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype), what
    eps = np.finfo(expected.dtype).eps
    scale = abs(expected).max(initial=0) + 1
    np.testing.assert_allclose(found, expected, rtol=0, atol=8 * eps * (np.sqrt(terms) + 1) * scale, err_msg=what)


def check_geometry(rng, geometry, relu):
    """Value and all gradients of one drawn convolution, with and without what a training step saves."""
    name, x_shape, W_shape, b_shape, options, dtype = geometry
    x, W, b = arrays(rng, dtype, x_shape, W_shape, b_shape)
    what = f"{geometry} relu={relu}"
    z, backward = getattr(ops, name)(x, W, b, **options)
    y, gate = ops.relu(z) if relu else (z, lambda dy: dy)
    (dy,) = arrays(rng, dtype, y.shape)
    found, fast_backward = getattr(fast, name)(x, W, b, **options, relu=relu)
    terms = np.prod(W_shape)
    require_close(found, y, terms, what)
    # Next to the kink rounding decides on which side an entry falls.
    dy = np.where(abs(z.real) > 1e-3, dy, 0).astype(dtype)
    gradients = backward(gate(dy))
    pixels = y.size + x.size
    out = np.full_like(W, np.nan)
    for choice in ({}, {"out": out}, {"input_gradient": False}):
        results = fast_backward(dy, **choice)
        assert len(results) == len(gradients), what
        assert (results[0] is None) == (choice == {"input_gradient": False}), what
        for result, expected in zip(results, gradients, strict=True):
            if result is not None:
                require_close(result, expected, pixels + terms, what)
    require_close(out, gradients[1], pixels + terms, what)


def rows(rng, dtype):
    """Small models that together have every kind of stage, for images (8, 8, 32)."""
    yield Sequential(
        Conv2d(32, 4, 4, stride=2, padding=1, rng=rng, dtype=dtype),
        ReLU(),
        Flatten(),
        Linear(64, 6, rng=rng, dtype=dtype),
        ReLU(),
        Sequential(LinearStack(6, 2, rng=rng, dtype=dtype), Linear(6, 8, bias=False, rng=rng, dtype=dtype), Tanh()),
        Reshape((2, 2, 2)),
        ConvTranspose2d(2, 32, 4, stride=2, padding=1, rng=rng, dtype=dtype),
        ReLU(),
        ConvTranspose2d(32, 3, 2, stride=3, output_padding=(2, 1), rng=rng, dtype=dtype),
        ReLU(),
    )
    yield Sequential(
        Conv2d(32, 3, (3, 2), stride=(2, 1), padding=(2, 0), rng=rng, dtype=dtype),
        Tanh(),
        Conv2d(3, 5, 1, bias=False, rng=rng, dtype=dtype),
        ReLU(),
        Flatten(),
        Linear(175, 4, rng=rng, dtype=dtype),
        LinearStack(4, 3, shared=True, rng=rng, dtype=dtype),
        LinearStack(4, 2, trainable=False, rng=rng, dtype=dtype),
    )


def check_rows(seed=0, dtype="f8"):
    """Value, input gradient and all parameter gradients of small models with every kind of stage."""
    rng = np.random.default_rng(seed)
    for model in rows(rng, dtype):
        (x,) = arrays(rng, dtype, (5, 8, 8, 32))
        results = []
        for computed in (model, prepared(model)):
            y, backward = computed(x)
            model.zero_grads()
            dx = backward(np.cos(np.arange(y.size)).reshape(y.shape).astype(dtype))
            once = model.grads.copy()
            backward(np.ones_like(y))
            results.append((y, dx, once, model.grads.copy()))
        for expected, found in zip(*results, strict=True):
            require_close(found, expected, 4000)


def check_steps(make, objective, images, *, workers=1, make_optimizer=lambda: AdamW(1e-3), dtype="f8", rtol=1e-7):
    """Losses and parameters of training steps by the engine are those of the reference."""
    results = []
    for engine in ("reference", "fast"):
        model, optimizer = make(dtype), make_optimizer()
        rng = np.random.default_rng(3)
        with training_step(
            model, objective, optimizer, engine=engine, workers=workers if engine == "fast" else 1
        ) as take:
            losses = [take(x, rng) for x in images]
        results.append((np.array(losses), model.values, model.fixed, *optimizer.moments.values()))
    for expected, found in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol * (abs(expected).max(initial=0) + 1e-9))


def small_steps(workers=1):
    """Steps of the small models, whose batches are uneven and one smaller than the number of workers."""
    rng = np.random.default_rng(5)
    for index in range(2):

        def make(dtype, index=index):
            return list(rows(np.random.default_rng(1), dtype))[index]

        def toward_zero(model, x, rng):
            y, backward = model(x, rng)
            loss, loss_backward = ops.mean_squared_error(y, np.zeros_like(y))
            return loss, lambda: (backward(loss_backward()), None)[1]

        images = [rng.normal(size=(size, 8, 8, 32)) for size in (5, 4, 1)]
        for make_optimizer in (lambda: AdamW(1e-2, weight_decay=0.1), lambda: Momentum(1e-2)):
            check_steps(make, toward_zero, images, workers=workers, make_optimizer=make_optimizer)


def check_objective(name, workers=1):
    """Two steps of an objective of the family, on the smallest preset."""
    from minirmae.data import LabelledBatch
    from minirmae.models.autoencoder import ModelConfig

    entry = recipe(name)
    settings = entry.complete({})
    rng = np.random.default_rng(2)
    pictures = [rng.random((3, 32, 32, 1)) for _ in range(2)]
    if name == "classify":
        pictures = [LabelledBatch(x, np.arange(3)) for x in pictures]
    layers = 2 if entry.linear_layers is None else entry.linear_layers
    config = ModelConfig.paper("mnist", linear_layers=0) if name == "classify" else ModelConfig("mnist", 4, layers)

    def make(dtype):
        return entry.build(config, settings, np.random.default_rng(0), np.dtype(dtype))

    check_steps(
        make, entry.objective(settings), pictures, workers=workers, make_optimizer=lambda: Adam(1e-4), rtol=1e-6
    )


def check_preset(preset, dtype="f8", workers=1, layers=2):
    """Two steps of a preset."""
    from minirmae.models.autoencoder import PRESETS, ModelConfig, build

    rng = np.random.default_rng(2)
    pictures = [rng.random((size, *PRESETS[preset].image)).astype(dtype) for size in (6, 3)]

    def make(dtype):
        return build(ModelConfig(preset, 8, layers), np.random.default_rng(0), dtype)

    check_steps(make, reconstruction, pictures, workers=workers, dtype=dtype, rtol=1e-7 if dtype == "f8" else 1e-2)
