"""The squared norm of a Jacobian: exact where it is summed, unbiased where it is estimated."""

import numpy as np
import pytest

from minirmae.gradcheck import check
from minirmae.layers import Conv2d, Dropout, Flatten, Linear, Sequential, Sigmoid, Tanh
from minirmae.objectives.jacobian import random_signs, squared_jacobian, unit_vectors

STEP = 1e-20


def encoder(seed=0):
    rng = np.random.default_rng(seed)
    convolution = Conv2d(2, 3, (2, 3), stride=(2, 1), padding=(1, 0), rng=rng)
    return Sequential(convolution, Tanh(), Flatten(), Linear(12, 3, rng=rng), Sigmoid()).astype(np.float64)


def images(count=2):
    return np.random.default_rng(1).random((count, 3, 4, 2))


def jacobians(layer, x):
    """dy/dx of every sample, shape (N, outputs, inputs), column by column with the complex step."""
    layer = layer.astype(complex)
    columns = []
    for k in range(x[0].size):
        stepped = x.astype(complex)
        stepped.reshape(len(x), -1)[:, k] += 1j * STEP
        columns.append(layer(stepped)[0].imag.reshape(len(x), -1) / STEP)
    return np.stack(columns, axis=2)


def as_function(layer, probes, seed):
    def function(x, *arrays):
        copy = layer.astype(x.dtype)
        parameters = [p for _, p in copy.named_parameters()]
        for parameter, array in zip(parameters, arrays, strict=True):
            parameter.value[...] = array
        rng = None if seed is None else np.random.default_rng(seed)
        (y, norm), backward = squared_jacobian([copy], x, probes, rng)

        def pull(d):
            copy.grads[...] = 0
            dx = backward(d[:-1].reshape(y.shape), d[-1])
            return dx, *(p.grad.copy() for p in parameters)

        return np.append(y.ravel(), norm), pull

    return function


def test_the_exact_norm_is_that_of_the_jacobian():
    layer, x = encoder(), images()
    (y, norm), _ = squared_jacobian([layer], x, 0)
    np.testing.assert_array_equal(y, layer(x)[0])
    assert norm == pytest.approx((jacobians(layer, x) ** 2).sum() / len(x), rel=1e-13)


def test_the_estimate_is_the_norm_along_its_probes():
    layer, x = encoder(), images()
    (_, norm), _ = squared_jacobian([layer], x, 3, np.random.default_rng(7))
    probes = random_signs(x, 3, np.random.default_rng(7)).reshape(3, len(x), -1)
    moved = np.einsum("noi,kni->kno", jacobians(layer, x), probes)
    assert norm == pytest.approx((moved**2).sum() / (3 * len(x)), rel=1e-13)


def test_the_estimate_is_unbiased_with_the_variance_of_signs():
    """Over many probes: E u'Au = tr A, and var u'Au = 2 (||A||^2 - sum A_ii^2) with A = J'J."""
    layer, x = encoder(), images(1)
    J = jacobians(layer, x)[0]
    A = J.T @ J
    variance = 2 * ((A**2).sum() - (np.diag(A) ** 2).sum())
    count = 20_000
    (_, estimate), _ = squared_jacobian([layer], x, count, np.random.default_rng(0))
    assert abs(estimate - np.trace(A)) <= 4 * np.sqrt(variance / count)
    assert np.sqrt(variance / count) < 0.02 * np.trace(A)


@pytest.mark.parametrize("probes, seed", [(0, None), (1, None), (3, 5)])
def test_its_gradient_passes_the_checker(probes, seed):
    layer = encoder()
    values = [p.value for _, p in layer.named_parameters()]
    report = check(as_function(layer, probes, seed), images(), *values).require()
    steps = [row for row in report.rows if row.rung in ("derivative", "second order")]
    assert all(row.method == "complex step" and row.error <= 1e-12 for row in steps)


def test_a_missing_factor_is_caught():
    layer = encoder()
    right = as_function(layer, 1, 5)

    def wrong(*arrays):
        y, backward = right(*arrays)
        return y, lambda d: backward(np.append(d[:-1], d[-1] / 2))

    values = [p.value for _, p in layer.named_parameters()]
    assert check(right, images(), *values).passed
    assert not check(wrong, images(), *values).passed


def test_evaluation_always_takes_the_same_probes():
    layer, x = encoder(), images()
    first, again = (squared_jacobian([layer], x, 2)[0][1] for _ in range(2))
    assert first == again
    assert first != squared_jacobian([layer], x, 2, np.random.default_rng(1))[0][1]


def test_all_directions_see_the_noise_of_the_value():
    rng = np.random.default_rng(0)
    linear = Linear(4, 3, rng=rng, dtype=np.float64)
    (y, norm), _ = squared_jacobian([linear, Dropout(0.5)], np.ones((1, 4)), 0, np.random.default_rng(3))
    kept = y[0] != 0
    assert 0 < kept.sum() < 3
    W = linear.parameters["W"].value
    assert norm == pytest.approx(4 * (W[:, kept] ** 2).sum())


def test_directions_have_the_dtype_of_the_batch():
    x = images().astype(np.float32)
    assert unit_vectors(x).dtype == random_signs(x, 2, None).dtype == np.float32
    assert unit_vectors(x).shape == (24, 2, 3, 4, 2)
    np.testing.assert_array_equal(unit_vectors(x)[:, 1].reshape(24, 24), np.eye(24))
    assert set(random_signs(x, 2, None).ravel()) == {-1.0, 1.0}


def test_an_empty_batch_has_no_mean():
    with pytest.raises(ValueError, match="the batch is empty"):
        squared_jacobian([Tanh()], np.ones((0, 3)), 1)
