"""Tangent passes of the ops: right values, right second order, and nothing broken gets through."""

import numpy as np
import pytest

from minirmae import ops
from minirmae.gradcheck import check
from minirmae.gradcheck.sabotage import catalogue
from minirmae.tangents import ops as tangents

STEP = 1e-20
GEOMETRY = {"stride": (2, 3), "padding": (1, 2)}
KEEP = np.random.default_rng(3).random((3, 4)) > 0.3
IMAGE, KERNEL, SMALL = (2, 6, 8, 2), (3, 4, 2, 3), (2, 3, 3, 3)

# name: (op, tangent, shape of x, shapes of the parameters)
CASES = {
    "linear": (ops.linear, tangents.linear_tangent, (3, 4), ((4, 5), (5,))),
    "linear without bias": (ops.linear, tangents.linear_tangent, (3, 4), ((4, 5),)),
    "linear_stack": (ops.linear_stack, tangents.linear_stack_tangent, (3, 4), ((3, 4, 4),)),
    "conv2d": (
        lambda x, *p: ops.conv2d(x, *p, **GEOMETRY),
        lambda x, tx, *p: tangents.conv2d_tangent(x, tx, *p, **GEOMETRY),
        IMAGE,
        (KERNEL, (3,)),
    ),
    # Here the gradient of the input is gathered, with the geometry above it is folded (`ops/form.py`).
    "conv2d, stride 1": (
        lambda x, *p: ops.conv2d(x, *p, padding=1),
        lambda x, tx, *p: tangents.conv2d_tangent(x, tx, *p, padding=1),
        (2, 4, 5, 2),
        ((3, 3, 2, 3), (3,)),
    ),
    "conv_transpose2d": (
        lambda x, *p: ops.conv_transpose2d(x, *p, **GEOMETRY, output_padding=(1, 0)),
        lambda x, tx, *p: tangents.conv_transpose2d_tangent(x, tx, *p, **GEOMETRY, output_padding=(1, 0)),
        SMALL,
        (KERNEL, (2,)),
    ),
    "relu": (ops.relu, tangents.relu_tangent, (3, 4), ()),
    "leaky_relu": (
        lambda x: ops.leaky_relu(x, 0.2),
        lambda x, tx: tangents.leaky_relu_tangent(x, tx, 0.2),
        (3, 4),
        (),
    ),
    "sigmoid": (ops.sigmoid, tangents.sigmoid_tangent, (3, 4), ()),
    "tanh": (ops.tanh, tangents.tanh_tangent, (3, 4), ()),
    "reshape": (
        lambda x: ops.reshape(x, (2, 4)),
        lambda x, tx: tangents.reshape_tangent(x, tx, (2, 4)),
        (3, 4, 2),
        (),
    ),
    "avg_pool2d": (
        lambda x: ops.avg_pool2d(x, (2, 3), 2),
        lambda x, tx: tangents.avg_pool2d_tangent(x, tx, (2, 3), 2),
        IMAGE,
        (),
    ),
    "max_pool2d": (
        lambda x: ops.max_pool2d(x, (3, 2), (1, 2)),
        lambda x, tx: tangents.max_pool2d_tangent(x, tx, (3, 2), (1, 2)),
        IMAGE,
        (),
    ),
    "flatten": (ops.flatten, tangents.flatten_tangent, (3, 4, 2), ()),
    "dropout": (
        lambda x: ops.dropout(x, KEEP, 0.3),
        lambda x, tx: tangents.dropout_tangent(x, tx, KEEP, 0.3),
        (3, 4),
        (),
    ),
}
each = pytest.mark.parametrize("name", CASES)


def point(name, directions=()):
    """The op, its tangent pass, and random x, tx and parameters."""
    op, op_tangent, shape, parameters = CASES[name]
    rng = np.random.default_rng(0)
    x, tx = rng.standard_normal(shape), rng.standard_normal((*directions, *shape))
    return op, op_tangent, x, tx, [rng.standard_normal(s) for s in parameters]


def as_function(op_tangent):
    """Value and tangent as one array of one function of all arguments, which the checker takes."""

    def function(x, tx, *parameters):
        (y, ty), backward = op_tangent(x, tx, *parameters)

        def pull(d):
            return backward(d[: y.size].reshape(y.shape), d[y.size :].reshape(ty.shape))

        return np.concatenate((y.ravel(), ty.ravel())), pull

    return function


@each
def test_the_tangent_is_the_complex_step_of_the_forward(name):
    op, op_tangent, x, tx, parameters = point(name)
    (y, ty), _ = op_tangent(x, tx, *parameters)
    np.testing.assert_array_equal(y, op(x, *parameters)[0])
    stepped, _ = op(x + 1j * STEP * tx, *(p.astype(complex) for p in parameters))
    error = np.linalg.norm(ty - stepped.imag / STEP)
    assert error <= 1e-14 * np.linalg.norm(ty)


@each
@pytest.mark.parametrize("directions", [(), (2,)])
def test_its_backward_passes_the_checker(name, directions):
    _, op_tangent, x, tx, parameters = point(name, directions)
    names = ["x", "tx", "W", "b"][: 2 + len(parameters)]
    report = check(as_function(op_tangent), x, tx, *parameters, name=name, arguments=names).require()
    steps = [row for row in report.rows if row.rung in ("derivative", "second order")]
    assert all(row.method == "complex step" and row.error <= 1e-12 for row in steps)


@each
def test_jvp_and_vjp_are_adjoint(name):
    """`<J u, v> = <u, J' v>`, with the op's own backward and with the tangent's."""
    op, op_tangent, x, tx, parameters = point(name)
    (y, ty), backward = op_tangent(x, tx, *parameters)
    v = np.random.default_rng(5).standard_normal(y.shape)
    gradient = op(x, *parameters)[1](v)
    dx = gradient[0] if isinstance(gradient, tuple) else gradient
    bound = 1e-14 * np.linalg.norm(ty) * np.linalg.norm(v)
    assert abs(np.vdot(ty, v) - np.vdot(tx, dx)) <= bound
    _, dtx, *_ = backward(np.zeros_like(y), v)
    assert np.linalg.norm(dtx - dx) <= 1e-14 * np.linalg.norm(dx)


@each
def test_many_directions_share_a_forward(name):
    _, op_tangent, x, tx, parameters = point(name, (2, 3))
    (y, ty), backward = op_tangent(x, tx, *parameters)
    assert ty.shape == (2, 3, *y.shape)
    rng = np.random.default_rng(6)
    dy, dty = rng.standard_normal(y.shape), rng.standard_normal(ty.shape)
    together = backward(dy, dty)
    alone = [0 * g for g in together]
    for i in range(2):
        for j in range(3):
            (_, one), one_backward = op_tangent(x, tx[i, j], *parameters)
            np.testing.assert_allclose(ty[i, j], one, rtol=1e-13, atol=1e-13)
            dx, dtx, *rest = one_backward(dy if i + j == 0 else 0 * dy, dty[i, j])
            np.testing.assert_allclose(together[1][i, j], dtx, rtol=1e-13, atol=1e-13)
            for k, gradient in zip((0, *range(2, len(alone))), (dx, *rest), strict=True):
                alone[k] = alone[k] + gradient
    for k in (0, *range(2, len(alone))):
        np.testing.assert_allclose(together[k], alone[k], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["linear", "conv2d", "conv_transpose2d", "sigmoid", "tanh", "leaky_relu"])
def test_every_sabotage_is_caught(name):
    _, op_tangent, x, tx, parameters = point(name)
    function = as_function(op_tangent)
    broken = catalogue(function, x, tx, *parameters)
    assert len(broken) >= 10
    assert [b.name for b in broken if check(b.function, x, tx, *parameters).passed] == []


def test_a_forgotten_second_derivative_is_caught():
    def forgetful(x, tx):
        values, backward = tangents.tanh_tangent(x, tx)
        return values, lambda dy, dty: (ops.tanh(x)[1](dy), backward(dy, dty)[1])

    _, _, x, tx, _ = point("tanh")
    assert check(as_function(tangents.tanh_tangent), x, tx).passed
    rows = check(as_function(forgetful), x, tx, rungs=("derivative",)).rows
    assert {row.argument: row.verdict for row in rows} == {"all": "fail", "x": "fail", "tx": "pass"}


@each
def test_an_empty_batch_has_empty_tangents(name):
    _, op_tangent, x, tx, parameters = point(name, (2,))
    if name == "dropout":
        parameters, op_tangent = [], lambda x, tx: tangents.dropout_tangent(x, tx, KEEP[:0], 0.3)
    (y, ty), backward = op_tangent(x[:0], tx[:, :0], *parameters)
    assert ty.shape == (2, *y.shape)
    dx, dtx, *rest = backward(y, ty)
    assert (dx.shape, dtx.shape) == (x[:0].shape, tx[:, :0].shape)
    assert not any(gradient.any() for gradient in rest)


def test_mean_squared_error_moves_with_its_prediction():
    rng = np.random.default_rng(0)
    p, tp, target = (rng.standard_normal((3, 4)) for _ in range(3))

    def function(p, tp):
        (loss, tloss), backward = tangents.mean_squared_error_tangent(p, tp, target.astype(p.dtype))
        return np.stack((loss, tloss)), lambda d: backward(d[0], d[1])

    check(function, p, tp).require()
    (loss, tloss), backward = tangents.mean_squared_error_tangent(p, tp, target)
    stepped, _ = ops.mean_squared_error(p + 1j * STEP * tp, target.astype(complex))
    assert loss == pytest.approx(stepped.real, rel=1e-15)
    assert tloss == pytest.approx(stepped.imag / STEP, rel=1e-14)
    # The gradient of the tangent alone is the Hessian times the direction.
    np.testing.assert_allclose(backward(0.0, 1.0)[0], 2 * tp / 12, rtol=1e-14)


def test_bad_directions_say_what_is_wrong():
    x = np.ones((2, 3))
    with pytest.raises(ValueError, match=r"tanh_tangent: tx must have the shape of x, \(2, 3\), or \(directions"):
        tangents.tanh_tangent(x, np.ones((3, 2)))
    with pytest.raises(ValueError, match="linear_tangent: tx must"):
        tangents.linear_tangent(x, np.ones(3), np.ones((3, 1)))
    with pytest.raises(TypeError, match="x is float64 and tx is float32"):
        tangents.relu_tangent(x, x.astype(np.float32))
    (y, ty), backward = tangents.tanh_tangent(x, x)
    with pytest.raises(ValueError, match=r"dy must have shape \(2, 3\), got \(1, 3\)"):
        backward(y, ty[:1])
