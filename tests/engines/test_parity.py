"""The CPU engine against the reference: geometries, models, objectives, dtypes, workers; and sabotage of it all."""

import os

import engine_parity as parity
import numpy as np
import pytest

from minirmae import ops
from minirmae.engines.cpu import form, gradients, optimizers, patches, rectifier, rows, step, winograd
from minirmae.engines.cpu import ops as fast
from minirmae.objectives import NAMES, recipe

GEOMETRIES = 2400
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork processes")


def drawn(seed, count):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield rng, parity.draw_geometry(rng), bool(rng.random() < 0.6)


def check_geometries(seed=0, count=60):
    for rng, geometry, relu in drawn(seed, count):
        parity.check_geometry(rng, geometry, relu)


@pytest.mark.parametrize("part", range(8))
def test_every_drawn_geometry(part, monkeypatch):
    if part % 2:  # one image at a time
        monkeypatch.setattr(patches, "BLOCK", 1)
        monkeypatch.setattr(winograd, "ENTRIES", 1)
    check_geometries(part, GEOMETRIES // 8)


def test_the_drawn_geometries_cross_what_matters():
    seen = [(name, x, W, b, options, relu) for _, (name, x, W, b, options, _), relu in drawn(0, 600)]
    beyond = [
        relu
        and b is not None
        and any(e > p for e, p in zip(options["output_padding"], options["padding"], strict=True))
        for name, x, W, b, options, relu in seen
        if name == "conv_transpose2d"
    ]
    assert sum(beyond) > 20
    assert sum(x[0] == 0 for _, x, *_ in seen) > 50
    assert sum(b is None for _, _, _, b, *_ in seen) > 100
    assert sum(W[0] != W[1] for _, _, W, *_ in seen) > 200
    assert sum(options["stride"][0] != options["stride"][1] for *_, options, _ in seen) > 200
    assert sum(32 in x + W for _, x, W, *_ in seen) > 30


def test_pixels_beyond_the_last_window_belong_to_the_bias():
    """The fault of the first version: a transposed convolution with its ReLU forgot them; its bias gradient was 25."""
    x, W, b = np.ones((1, 2, 2, 1)), np.ones((2, 2, 1, 1)), np.ones(1)
    y, backward = fast.conv_transpose2d(x, W, b, stride=3, output_padding=1, relu=True)
    _, reference_backward = ops.conv_transpose2d(x, W, b, stride=3, output_padding=1)
    assert y.shape == (1, 6, 6, 1)
    assert backward(np.ones_like(y))[2] == reference_backward(np.ones_like(y))[2] == 36


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_every_stage(dtype):
    parity.check_rows(dtype=dtype)


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=needs_fork), pytest.param(3, marks=needs_fork)])
def test_every_stage_in_training(workers):
    parity.small_steps(workers)


@pytest.mark.parametrize("preset", ["shapes", "mnist"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_presets(preset, dtype):
    parity.check_preset(preset, dtype)


@needs_fork
def test_a_preset_by_several_workers():
    parity.check_preset("shapes", workers=2)


@pytest.mark.parametrize("name", NAMES)
def test_objectives(name):
    parity.check_objective(name)


@needs_fork
@pytest.mark.parametrize("name", ["l1", "classify"])
def test_objectives_that_are_means_by_several_workers(name):
    assert recipe(name).per_image
    parity.check_objective(name, workers=2)


def scaled(function):
    """The same results but for a factor near 1."""

    def wrong(*args, **options):
        result = function(*args, **options)
        return tuple(r * 1.01 for r in result) if isinstance(result, tuple) else result * 1.01

    return wrong


def sabotage(module, name, make):
    return pytest.param(module, name, make, id=f"{getattr(module, '__name__', module).split('.')[-1]}.{name}")


FORM = ("forward", "input_gradient", "weight_gradient", "forward_and_weight_gradient")


def in_place(function):
    """Results are written into `out`, where that is given: scale them there."""

    def wrong(*args, **options):
        result = function(*args, **options)
        for part in result if isinstance(result, tuple) else (result,):
            part *= 1.01
        return result

    return wrong


def without_bias(function):
    return lambda images, b, relu: function(images, None, relu)


def without_relu(function):
    return lambda images, b, relu: function(images, b, False)


def misses_a_pixel(function):
    return lambda images: function(images[:, :-1])


@pytest.mark.parametrize(
    "module, name, make",
    [
        *(sabotage(form.Form, name, in_place) for name in FORM),
        *(sabotage(winograd.Winograd, name, in_place) for name in FORM),
        sabotage(form, "finish", without_bias),
        sabotage(form, "finish", without_relu),
        sabotage(winograd, "finish", without_bias),
        sabotage(winograd, "finish", without_relu),
        sabotage(fast, "gate", lambda f: lambda dy, y: dy),
        sabotage(rectifier, "gate", lambda f: lambda dy, y: dy),
        sabotage(rectifier, "channel_sum", misses_a_pixel),
        sabotage(fast, "channel_sum", misses_a_pixel),
        sabotage(form, "rectify", lambda f: lambda x, out=None: x),
        sabotage(patches, "fold", lambda f: lambda *a: None),
    ],
)
def test_a_wrong_convolution_turns_the_geometries_red(module, name, make, monkeypatch):
    check_geometries(7, 200)
    target = form if (module, name) == (patches, "fold") else module
    monkeypatch.setattr(target, name, make(getattr(module, name)))
    with pytest.raises(AssertionError):
        check_geometries(7, 200)


@pytest.mark.parametrize(
    "module, name, make",
    [
        sabotage(fast, "product", scaled),
        sabotage(fast, "rectify", lambda f: lambda x, out=None: x),
        sabotage(fast, "gate", lambda f: lambda dy, y: dy),
        sabotage(fast, "linear_stack", lambda f: lambda x, W: f(x, 1.01 * W)),
        sabotage(rows, "_chain", lambda f: lambda layer, x, g: (x.copy(), lambda dy: dy)),
        sabotage(rows, "add_gradient", lambda f: lambda p, g: None),
        sabotage(form.Form, "weight_gradient", in_place),
        sabotage(winograd.Winograd, "input_gradient", in_place),
    ],
)
def test_a_wrong_stage_turns_the_models_red(module, name, make, monkeypatch):
    parity.check_rows()
    monkeypatch.setattr(module, name, make(getattr(module, name)))
    if (module, name) == (fast, "linear_stack"):
        monkeypatch.setitem(rows.OPS, rows.LinearStack, fast.linear_stack)
    with pytest.raises(AssertionError):
        parity.check_rows()


def claims_always(function):
    def wrong(p):
        return p.store.vector[p.start : p.start + p.size].reshape(p.shape)

    return wrong


@pytest.mark.parametrize(
    "module, name, make, workers",
    [
        (rows, "add_gradient", lambda f: lambda p, g: None, 1),
        (gradients.LazyStore, "clear", lambda f: lambda self: None, 1),
        (optimizers, "_adam", lambda f: lambda o, v, g, rate, *m: f(o, v, g, 1.01 * rate, *m), 1),
        (optimizers, "blocks", lambda f: lambda start, stop: f(start, stop)[:-1], 1),
        pytest.param(step, "_weighted_sum", scaled, 2, marks=needs_fork),
        pytest.param(step, "_shares", lambda f: lambda x, n: [x] * n, 2, marks=needs_fork),
        pytest.param(step, "blocks", lambda f: lambda a, b: f(a, b)[:-1], 2, marks=needs_fork),
    ],
)
def test_a_wrong_step_turns_training_red(module, name, make, workers, monkeypatch):
    parity.small_steps(workers)
    monkeypatch.setattr(module, name, make(getattr(module, name)))
    with pytest.raises(AssertionError):
        parity.small_steps(workers)


def test_a_gradient_that_is_written_twice_is_seen(monkeypatch):
    """Two uses of one layer in a step add up; a claim that is never refused would overwrite the first."""
    from minirmae.engine import training_step
    from minirmae.layers import Linear, Sequential
    from minirmae.optimizers import SGD

    def twice(model, x, rng):
        first, first_backward = model(x)
        second, second_backward = model(2 * x)
        loss = first.sum() + second.sum()
        return loss, lambda: (first_backward(np.ones_like(first)), second_backward(np.ones_like(second)), None)[2]

    def trained(engine):
        model = Sequential(Linear(3, 2, rng=np.random.default_rng(0), dtype=np.float64))
        with training_step(model, twice, SGD(0.1), engine=engine) as take:
            take(np.ones((2, 3)), np.random.default_rng(0))
        return model.values

    np.testing.assert_allclose(trained("fast"), trained("reference"), rtol=1e-12)
    monkeypatch.setattr(rows, "claim", claims_always(rows.claim))
    assert abs(trained("fast") - trained("reference")).max() > 0.1
