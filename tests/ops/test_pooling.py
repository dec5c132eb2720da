"""Pooling against its definition and PyTorch's, its ties, and its layers; gradients are in test_gradcheck_suite."""

import numpy as np
import pytest

from minirmae.layers import AvgPool2d, MaxPool2d
from minirmae.ops import avg_pool2d, max_pool2d

GEOMETRIES = [
    ((2, 2), (2, 2)),
    ((2, 3), (2, 3)),
    ((3, 2), (2, 1)),
    ((2, 2), (3, 4)),
    ((7, 8), (1, 1)),
    ((1, 1), (1, 1)),
]
REDUCTIONS = [(avg_pool2d, np.mean), (max_pool2d, np.max)]


def pooled(x, kernel, stride, reduce):
    """Pooling by its definition: one loop per index of the output."""
    OH, OW = ((n - k) // s + 1 for n, k, s in zip(x.shape[1:3], kernel, stride, strict=True))
    y = np.zeros((len(x), OH, OW, x.shape[3]), dtype=x.dtype)
    for i in range(OH):
        for j in range(OW):
            top, left = i * stride[0], j * stride[1]
            y[:, i, j] = reduce(x[:, top : top + kernel[0], left : left + kernel[1]], axis=(1, 2))
    return y


@pytest.mark.parametrize("kernel, stride", GEOMETRIES)
@pytest.mark.parametrize("op, reduce", REDUCTIONS)
def test_the_definition(op, reduce, kernel, stride):
    x = np.random.default_rng(0).normal(size=(2, 7, 8, 3))
    y, _ = op(x, kernel, stride)
    np.testing.assert_allclose(y, pooled(x, kernel, stride, reduce), rtol=1e-14)


@pytest.mark.parametrize("kernel, stride", GEOMETRIES)
@pytest.mark.parametrize("name", ["avg_pool2d", "max_pool2d"])
@pytest.mark.parametrize("integers", [False, True])
def test_pytorch_gives_the_same_values_and_gradients(name, kernel, stride, integers):
    """Small integers too, among which the largest is often there twice."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    x = rng.integers(0, 3, (2, 7, 8, 3)).astype(float) if integers else rng.normal(size=(2, 7, 8, 3))
    y, backward = {"avg_pool2d": avg_pool2d, "max_pool2d": max_pool2d}[name](x, kernel, stride)
    dy = rng.normal(size=y.shape)
    x_torch = torch.tensor(x, requires_grad=True)
    y_torch = getattr(torch.nn.functional, name)(x_torch.permute(0, 3, 1, 2), kernel, stride).permute(0, 2, 3, 1)
    y_torch.backward(torch.tensor(dy))
    np.testing.assert_allclose(y, y_torch.detach().numpy(), rtol=1e-13)
    np.testing.assert_allclose(backward(dy), x_torch.grad.numpy(), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.complex128])
def test_the_first_of_equal_entries_gets_the_gradient(dtype):
    x = np.zeros((1, 3, 3, 1), dtype=dtype)
    x[0, 1, 1] = x[0, 1, 2] = x[0, 2, 1] = 5
    _, backward = max_pool2d(x, 2, 1)
    expected = np.zeros((3, 3))
    expected[1, 1] = 4.0
    np.testing.assert_array_equal(backward(np.ones((1, 2, 2, 1), dtype=dtype))[0, :, :, 0], expected)
    _, backward = max_pool2d(np.ones((1, 2, 2, 1), dtype=dtype), 2)
    np.testing.assert_array_equal(backward(np.ones((1, 1, 1, 1), dtype=dtype)).ravel(), [1, 0, 0, 0])


def test_complex_numbers_are_compared_by_their_real_parts():
    """Also where the real parts are equal: the imaginary part is an infinitesimal step, and decides nothing."""
    x = np.array([1 + 1e-20j, 3 - 2e-20j, 3 + 9e-20j, 2 + 5e-20j]).reshape(1, 2, 2, 1)
    y, _ = max_pool2d(x, 2)
    assert y.item() == 3 - 2e-20j


@pytest.mark.parametrize("place", range(4))
def test_nan_is_not_hidden(place):
    x = np.array([1.0, 3.0, 2.0, 3.0])
    x[place] = np.nan
    for op in (avg_pool2d, max_pool2d):
        assert np.isnan(op(x.reshape(1, 2, 2, 1), 2)[0]).all()


@pytest.mark.parametrize("op", [avg_pool2d, max_pool2d])
def test_bad_arguments_are_named(op):
    x, name = np.zeros((1, 4, 4, 1)), op.__name__
    with pytest.raises(ValueError, match=f"{name}: kernel must be an integer"):
        op(x, 0)
    with pytest.raises(ValueError, match=f"{name}: stride must be an integer"):
        op(x, 2, (1, 0))
    with pytest.raises(ValueError, match="larger than the input"):
        op(x, (5, 1))
    with pytest.raises(ValueError, match=f"{name}: x must have 4 axes"):
        op(x[0], 2)
    with pytest.raises(TypeError, match=f"{name}: x must hold floats"):
        op(x.astype(int), 2)
    with pytest.raises(ValueError, match=f"{name} backward: dy must have shape"):
        op(x, 2)[1](np.zeros((1, 2, 2, 2)))


@pytest.mark.parametrize("layer, op", [(AvgPool2d, avg_pool2d), (MaxPool2d, max_pool2d)])
def test_a_layer_is_its_op(layer, op):
    x = np.random.default_rng(2).normal(size=(2, 7, 8, 3))
    pool = layer((2, 3), 2)
    y, _ = pool(x)
    np.testing.assert_array_equal(y, op(x, (2, 3), 2)[0])
    assert y.shape[1:] == pool.output_shape(x.shape[1:])
    assert pool.values.size == 0
    assert layer(3).output_shape((9, 6, 1)) == (3, 2, 1)
    with pytest.raises(ValueError, match=f"{layer.__name__}: kernel"):
        layer(0)
