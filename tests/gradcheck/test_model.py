"""Models: their parameters are arguments like any other."""

import numpy as np
import pytest

from minirmae.gradcheck import check_model
from minirmae.gradcheck.model import model_function
from minirmae.layers import Dropout, Layer, Linear, LinearStack, Sequential, Tanh

X = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)


def small(rng=None):
    rng = rng or np.random.default_rng(1)
    return Sequential(Linear(4, 3, rng=rng), Tanh(), Dropout(0.5), Linear(3, 2, rng=rng))


def failures(model, **options):
    report = check_model(model, X, **options)
    return {(row.rung, row.method, row.argument) for row in report.failures}


class Scale(Layer):
    """`y = x s`, with a backward that can be replaced."""

    def __init__(self, wrong=None):
        super().__init__({"s": np.linspace(0.5, 2, 4, dtype=np.float32)})
        self.wrong = wrong

    def __call__(self, x, rng=None):
        s = self.parameters["s"]
        factor = s.value.copy()

        def backward(dy):
            if self.wrong:
                return self.wrong(s, x, dy)
            s.grad[...] += (dy * x).sum(axis=0)
            return dy * factor

        return x * factor, backward


def test_a_right_model_passes_with_rows_for_the_input_and_every_parameter():
    report = check_model(small(), X).require()
    assert report.name == "Sequential"
    rows = {row.argument for row in report.rows if row.rung == "derivative"}
    assert rows == {"all", "x", "0.W", "0.b", "3.W", "3.b"}
    assert report.rows[-1].method == "adds gradients"
    check_model(Scale(), X).require()


def test_randomness_is_the_same_in_every_forward_of_a_check():
    check_model(small(), X, rng_seed=3).require()
    evaluated, trained = check_model(small(), X), check_model(small(), X, rng_seed=3)
    assert evaluated.rows[-5:] == trained.rows[-5:]
    assert [r.numeric for r in evaluated.rows] != [r.numeric for r in trained.rows]


def test_the_callers_model_is_not_touched():
    model = small()
    model.grads[...] = 7
    values = model.values.copy()
    check_model(model, X).require()
    np.testing.assert_array_equal(model.values, values)
    assert (model.grads == 7).all()
    assert model.dtype == np.float32


def test_a_forgotten_parameter_is_named_with_its_entry():
    def forget(s, x, dy):
        dsum = (dy * x).sum(axis=0)
        dsum[2] = 0
        s.grad[...] += dsum
        return dy * s.value

    report = check_model(Scale(forget), X)
    row = next(row for row in report.failures if row.argument == "s" and row.rung == "derivative")
    assert row.index == (2,)
    assert row.analytic == 0
    passed = {row.argument for row in report.rows if row.rung == "derivative" and row.verdict == "pass"}
    assert passed == {"x"}


def test_a_gradient_that_overwrites_instead_of_adding_is_found():
    def overwrite(s, x, dy):
        s.grad[...] = (dy * x).sum(axis=0)
        return dy * s.value

    assert failures(Scale(overwrite)) == {("hygiene", "adds gradients", "s")}


def test_a_backward_that_changes_its_parameter_is_found():
    def train(s, x, dy):
        s.grad[...] += (dy * x).sum(axis=0)
        dx = dy * s.value
        s.value[...] -= 0.1
        return dx

    assert ("hygiene", "adds gradients", "s") in failures(Scale(train))


def test_a_wrong_input_gradient_is_found():
    def wrong(s, x, dy):
        s.grad[...] += (dy * x).sum(axis=0)
        return dy * s.value[::-1]

    assert ("derivative", "complex step", "x") in failures(Scale(wrong))


def test_parameters_that_are_not_trained_have_no_row_and_may_not_change():
    fixed = LinearStack(4, 2, rng=np.random.default_rng(0), trainable=False)
    report = check_model(fixed, X, linear=True).require()
    assert {row.argument for row in report.rows if row.rung == "derivative"} == {"x"}


def test_joint_rows_find_and_name_a_wrong_parameter_too():
    def wrong(s, x, dy):
        s.grad[...] += (dy * x).sum(axis=0) * (1 + 1e-6)
        return dy * s.value

    report = check_model(Scale(wrong), X, per_argument=False, rungs=("derivative",))
    assert [(row.argument, row.verdict) for row in report.rows] == [("all", "fail"), ("x", "pass"), ("s", "fail")]
    assert len(check_model(Scale(), X, per_argument=False, rungs=("derivative",)).rows) == 1


def test_forwards_of_the_function_do_not_share_parameters():
    names, function = model_function(Scale())
    assert names == ("s",)
    x = X.astype(np.float64)
    y, backward = function(x, np.ones(4))
    function(x, np.zeros(4))
    dx, ds = backward(np.ones_like(y))
    np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(dx, np.ones_like(x))
    np.testing.assert_allclose(ds, x.sum(axis=0))


def test_the_input_must_hold_floats():
    with pytest.raises(TypeError, match="Sequential: x must be a NumPy array of real floats, got dtype int64"):
        check_model(small(), np.ones((3, 4), dtype=np.int64))
