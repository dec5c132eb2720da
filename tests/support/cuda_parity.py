"""One launch against the float64 NumPy op, on any device: the same checks run on the emulator and on a GPU.

Outputs are full of NaN before a launch, so what is not written shows. Bounds
are those of float32 sums, not chosen: a sum of K products, in any order, is off
by at most (K + 2) u times the sum of their magnitudes, u half a unit in the
last place; tensor cores may cut off instead of rounding, which doubles u.
"""

from __future__ import annotations

import numpy as np

from minirmae import ops
from minirmae.engines.cuda import primitives
from minirmae.engines.cuda.geometry import Geometry
from minirmae.engines.cuda.launch import Buffer
from minirmae.engines.cuda.layout import lay_out

UNIT = {"float32": 2.0**-24, "tf32": 2.0**-23}
# N, (H, W), C, (KH, KW), O, stride, padding: batch 1, odd sizes, channels in and not in fours, stride over the kernel,
# pixels that no window reaches, splits of the sum, several tiles, and the presets' own shapes in small.
GEOMETRIES = (
    Geometry(1, (5, 7), 1, (4, 4), 3, (2, 2), (1, 1)),
    Geometry(2, (8, 8), 4, (4, 4), 8, (2, 2), (1, 1)),
    Geometry(3, (6, 5), 3, (3, 2), 5, (1, 1), (0, 0)),
    Geometry(2, (7, 9), 8, (2, 3), 36, (3, 2), (2, 0)),
    Geometry(1, (4, 4), 32, (1, 1), 1, (1, 1), (0, 0)),
    Geometry(5, (9, 8), 12, (4, 4), 40, (2, 2), (1, 1)),
    Geometry(2, (6, 6), 4, (1, 1), 4, (2, 2), (0, 0)),
    Geometry(1, (1, 33), 130, (1, 1), 70, (1, 1), (0, 0)),
    Geometry(4, (16, 16), 2, (4, 4), 6, (2, 2), (1, 1)),
)


def run(device, launch, arrays):
    """Run one launch; return every other buffer by name. `arrays` are its inputs by buffer name."""
    layout = lay_out(launch.buffers())
    base = device.allocate(layout.bytes)
    replay = device.record([layout.bind(launch, base, {})])
    outputs = {}
    for buffer in launch.buffers():
        at = base + layout.offset(buffer)
        if buffer.name in arrays:
            array = np.asarray(arrays[buffer.name], dtype=buffer.dtype)
            assert array.size == buffer.size, (buffer.name, array.shape, buffer.shape)
            device.upload(at, np.ascontiguousarray(array))
        elif "ticket" not in buffer.name:
            device.upload(at, poison(buffer))
    replay()
    for buffer in launch.buffers():
        outputs[buffer.name] = np.empty(buffer.shape, buffer.dtype)
        device.download(base + layout.offset(buffer), outputs[buffer.name])
        if "ticket" in buffer.name:
            assert not outputs[buffer.name].any(), "tickets must be zero again after a launch"
    return outputs


def poison(buffer):
    """An array for `buffer` whose every byte is 255, which is NaN in both floats."""
    return np.full(buffer.size * np.dtype(buffer.dtype).itemsize, 0xFF, np.uint8).view(buffer.dtype)


def rounded(x, precision):
    """x as the kernels multiply it, in float64: float32, or TF32 to nearest with ties away from zero."""
    x = np.asarray(x, np.float32)
    if precision == "tf32":
        x = ((x.view(np.uint32) + np.uint32(0x1000)) & np.uint32(0xFFFFE000)).view(np.float32)
    return x.astype(np.float64)


def activated(x, name):
    """The activation's value in float64."""
    return {
        "none": lambda: x,
        "relu": lambda: ops.relu(x)[0],
        "tanh": lambda: np.tanh(x),
        "sigmoid": lambda: ops.sigmoid(x)[0],
    }[name]()


def slope(y, name):
    """The activation's derivative from its value."""
    return {"none": 1.0, "relu": (y > 0) * 1.0, "tanh": (1 - y) * (1 + y), "sigmoid": y * (1 - y)}[name]


def assert_sum(result, expected, magnitude, terms, precision, where):
    """Assert that `result` is a float32 sum of `terms` products whose magnitudes add up to `magnitude`."""
    bound = (terms + 4) * UNIT[precision] * magnitude + 2.0**-20 * np.abs(expected)
    error = np.abs(result - expected)
    assert (error <= bound).all(), f"{where}: error {error.max():.3g}, bound there {bound.ravel()[error.argmax()]:.3g}"


def random_case(g, precision, seed):
    """Images, kernel, bias and cotangent, float32, and the same as they are multiplied, float64."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(g.images, *g.size, g.channels)).astype(np.float32)
    W = rng.normal(size=(*g.kernel, g.channels, g.outputs)).astype(np.float32)
    dy = rng.normal(size=(g.images, *g.output_size, g.outputs)).astype(np.float32)
    return (x, W, dy), tuple(rounded(a, precision) for a in (x, W, dy)), rng


def check_forward(device, g, activation="none", saved_activation="none"):
    """conv_forward with its whole epilogue."""
    (x, W, dy), exact, rng = random_case(g, device.precision, 1)
    bias, saved = (rng.normal(size=s).astype(np.float32) for s in ((g.outputs,), dy.shape))
    launch = primitives.conv_forward(
        g,
        Buffer("x", x.shape),
        Buffer("W", W.shape),
        Buffer("y", dy.shape),
        bias=Buffer("b", bias.shape),
        activation=activation,
        saved=None if saved_activation == "none" else Buffer("s", saved.shape),
        saved_activation=saved_activation,
    )
    result = run(device, launch, {"x": x, "W": W, "b": bias, "s": saved})["y"]
    y, _ = ops.conv2d(exact[0], exact[1], bias.astype(np.float64), stride=g.stride, padding=g.padding)
    magnitude, _ = ops.conv2d(
        abs(exact[0]), abs(exact[1]), abs(bias).astype(np.float64), stride=g.stride, padding=g.padding
    )
    factor = slope(saved.astype(np.float64), saved_activation)
    assert_sum(result, activated(y, activation) * factor, magnitude * np.abs(factor), g.taps, device.precision, launch)


def check_input_gradient(device, g, activation="none", saved_activation="none"):
    """conv_input_gradient with its whole epilogue; it is also the transposed convolution."""
    (x, W, dy), exact, rng = random_case(g, device.precision, 2)
    bias, saved = (rng.normal(size=s).astype(np.float32) for s in ((g.channels,), x.shape))
    launch = primitives.conv_input_gradient(
        g,
        Buffer("dy", dy.shape),
        Buffer("W", W.shape),
        Buffer("dx", x.shape),
        bias=Buffer("b", bias.shape),
        activation=activation,
        saved=None if saved_activation == "none" else Buffer("s", saved.shape),
        saved_activation=saved_activation,
    )
    result = run(device, launch, {"dy": dy, "W": W, "b": bias, "s": saved})["dx"]
    options = {"stride": g.stride, "padding": g.padding}
    dx = ops.conv2d(exact[0], exact[1], **options)[1](exact[2])[0] + bias
    magnitude = ops.conv2d(exact[0], abs(exact[1]), **options)[1](abs(exact[2]))[0] + np.abs(bias)
    factor = slope(saved.astype(np.float64), saved_activation)
    terms = g.phase_taps()
    assert_sum(result, activated(dx, activation) * factor, magnitude * np.abs(factor), terms, device.precision, launch)


def check_weight_gradient(device, g, groups=1):
    """conv_weight_gradient with the bias's row, or of several products at once."""
    (x, _, dy), _, rng = random_case(g, device.precision, 3)
    xs, dys = [x], [dy]
    for _ in range(groups - 1):
        xs.append(rng.normal(size=x.shape).astype(np.float32))
        dys.append(rng.normal(size=dy.shape).astype(np.float32))
    bias = groups == 1
    launch = primitives.conv_weight_gradient(
        g,
        Buffer("x", (groups, *x.shape)),
        Buffer("dy", (groups, *dy.shape)),
        Buffer("dW", (groups, g.taps + bias, g.outputs)),
        bias=bias,
        groups=groups,
        progress=Buffer("progress", (2,), "int64"),
    )
    outputs = run(device, launch, {"x": xs, "dy": dys, "progress": np.zeros(2)})
    assert not outputs["progress"].any()
    for i in range(groups):
        X, Y = rounded(xs[i], device.precision), rounded(dys[i], device.precision)
        W = np.zeros((*g.kernel, g.channels, g.outputs))
        options = {"stride": g.stride, "padding": g.padding}
        expected, magnitude = (ops.conv2d(a, W, **options)[1](b)[1] for a, b in ((X, Y), (abs(X), abs(Y))))
        rows = [expected.reshape(g.taps, -1)] + ([Y.reshape(-1, g.outputs).sum(0)[None]] if bias else [])
        sizes = [magnitude.reshape(g.taps, -1)] + ([abs(Y).reshape(-1, g.outputs).sum(0)[None]] if bias else [])
        assert_sum(
            outputs["dW"][i], np.concatenate(rows), np.concatenate(sizes), g.output_pixels, device.precision, launch
        )


def check_column_sum(device, rows, columns):
    """Sums of columns."""
    matrix = np.random.default_rng(4).normal(size=(rows, columns)).astype(np.float32)
    launch = primitives.column_sum(
        rows, columns, Buffer("m", matrix.shape), Buffer("sums", (columns,)), Buffer("progress", (2,), "int64")
    )
    outputs = run(device, launch, {"m": matrix, "progress": np.zeros(2)})
    exact = matrix.astype(np.float64)
    assert not outputs["progress"].any()
    assert_sum(outputs["sums"], exact.sum(0), np.abs(exact).sum(0), rows, "float32", launch)


def check_chain(device, rows, n, layers, shared=False, backward=False):
    """The chain, each state against the product of the state before, as it was rounded."""
    rng = np.random.default_rng(5)
    W = (rng.normal(size=(1 if shared else layers, n, n)) / np.sqrt(n)).astype(np.float32)
    states = np.full((layers + 1, rows, n), np.nan, np.float32)
    start = layers if backward else 0
    states[start] = rng.normal(size=(rows, n))
    saved = rng.normal(size=(rows, n)).astype(np.float32)
    launch = primitives.chain(
        rows,
        n,
        layers,
        Buffer("states", states.shape),
        Buffer("W", W.shape),
        shared=shared,
        backward=backward,
        saved=Buffer("s", saved.shape) if backward else None,
        saved_activation="tanh" if backward else "none",
    )
    result = run(device, launch, {"states": states, "W": W, "s": saved})["states"]
    np.testing.assert_array_equal(result[start], states[start])
    for i in range(layers):
        source, target = (layers - i, layers - i - 1) if backward else (i, i + 1)
        matrix = rounded(W[0 if shared else min(source, target)], device.precision)
        x, factor = rounded(result[source], device.precision), 1.0
        matrix = matrix.T if backward else matrix
        if backward and target == 0:
            factor = slope(saved.astype(np.float64), "tanh")
        expected, magnitude = x @ matrix * factor, abs(x) @ abs(matrix) * np.abs(factor)
        assert_sum(result[target], expected, magnitude, n, device.precision, launch)
