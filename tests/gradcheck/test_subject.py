"""The subject: names, directions and norms."""

import math

import numpy as np

from minirmae.gradcheck.subject import Subject, argument_names, inner, norm, relative_difference


def test_names_come_from_the_signature_or_are_numbered():
    assert argument_names(lambda x, W, b=None: None, 2) == ("x", "W")
    assert argument_names(lambda *arrays: None, 2) == ("argument 0", "argument 1")
    assert argument_names(lambda x, *, stride: None, 1) == ("x",)
    assert argument_names(dict.fromkeys, 1) in {("iterable",), ("argument 0",)}


def test_directions_repeat_for_a_seed_and_differ_between_rungs_and_seeds():
    arrays = (np.zeros((2, 3)), np.zeros(()))
    first, second = Subject("f", len, ("x", "t"), arrays, 0), Subject("f", len, ("x", "t"), arrays, 1)
    u = first.direction(first.rng("a"))
    assert [d.shape for d in u] == [(2, 3), ()]
    np.testing.assert_array_equal(u[0], first.direction(first.rng("a"))[0])
    assert not np.array_equal(u[0], first.direction(first.rng("b"))[0])
    assert not np.array_equal(u[0], second.direction(second.rng("a"))[0])


def test_a_cotangent_is_copied_and_a_scalar_stays_one():
    seen = []

    def f(x):
        def backward(dy):
            seen.append(dy)
            return dy * np.ones(3)

        return x.sum(), backward

    y, pull = Subject("f", f, ("x",), (np.ones(3),), 0).evaluate([np.ones(3)])
    assert y.shape == ()
    assert y == 3
    (gradient,) = pull(np.asarray(2.0))
    assert isinstance(seen[0], np.float64)
    assert gradient.tolist() == [2, 2, 2]


def test_products_and_norms_skip_arguments_at_rest():
    a = [np.array([3.0, 4.0]), None, np.array([[12.0]])]
    assert norm(a) == 13.0
    assert inner(a, [np.array([1.0, 1.0]), np.ones(5), np.array([[1.0]])]) == 19.0
    assert norm([]) == 0.0
    assert inner([], []) == 0.0


def test_relative_difference_of_equal_zero_and_misshapen_arrays():
    x = np.array([3.0, 4.0])
    assert relative_difference(x, x) == 0.0
    assert relative_difference(np.zeros(2), np.zeros(2)) == 0.0
    assert relative_difference(np.zeros(0), np.zeros(0)) == 0.0
    assert relative_difference(x, np.zeros(2)) == 1.0
    assert math.isclose(relative_difference(x, 2 * x), 0.5)
    assert relative_difference(x, x[None]) == math.inf
    assert math.isnan(relative_difference(x, np.array([np.nan, 4.0])))
