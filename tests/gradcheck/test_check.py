"""The public checker: its arguments, its errors and what it imports."""

import subprocess
import sys

import numpy as np
import pytest

from minirmae.gradcheck import RUNGS, assert_gradients, check

X = np.random.default_rng(0).standard_normal((3, 4))


def square(x):
    return x * x, lambda dy: 2 * x * dy


def wrong(x):
    return x * x, lambda dy: x * dy


def test_every_rung_is_checked_in_order_and_a_choice_is_respected():
    report = check(square, X).require()
    assert list(dict.fromkeys(row.rung for row in report.rows)) == list(RUNGS)
    report = check(square, X, rungs=("hygiene", "adjoint"))
    assert {row.rung for row in report.rows} == {"adjoint", "hygiene"}
    with pytest.raises(ValueError, match="rungs must be one of adjoint"):
        check(square, X, rungs=("adjiont",))


def test_one_line_asserts():
    assert assert_gradients(square, X).passed
    with pytest.raises(AssertionError, match=r"wrong: fail \(seed 5\)"):
        assert_gradients(wrong, X, seed=5)


def test_names_of_the_function_and_its_arguments():
    report = check(lambda *arrays: square(*arrays), X, name="square", arguments=["images"])
    assert report.name == "square"
    assert {row.argument for row in report.rows if row.rung == "adjoint"} == {"images"}
    assert check(square, X).name == "square"


def test_a_seed_repeats_a_report_and_another_draws_other_directions():
    first, again, other = (check(square, X, seed=seed) for seed in (0, 0, 1))
    assert first == again
    numbers = [next(row for row in report.rows if row.rung == "derivative").numeric for report in (first, other)]
    assert numbers[0] != numbers[1]


def test_the_callers_arrays_are_not_touched():
    x = X.astype(np.float32)
    kept = x.copy()

    def vandal(x):
        y = x * x
        x *= 0
        return y, lambda dy: dy

    check(vandal, x)
    check(square, np.broadcast_to(x, (2, 3, 4)))  # read-only: a write would raise
    np.testing.assert_array_equal(x, kept)


@pytest.mark.parametrize(
    ("array", "got"),
    [
        (np.arange(3), "dtype int64"),
        (X.astype(complex), "dtype complex128"),
        ([1.0, 2.0], "list"),
        (1.0, "float"),
    ],
)
def test_arguments_must_be_real_floating_arrays(array, got):
    with pytest.raises(TypeError, match=f"square: x must be a NumPy array of real floats, got {got}"):
        check(square, array)


def test_there_must_be_an_argument():
    with pytest.raises(ValueError, match="at least one array"):
        check(lambda: (np.ones(2), lambda dy: ()))
    with pytest.raises(ValueError, match="2 names for 1 arrays"):
        check(square, X, arguments=["x", "y"])


def test_an_error_of_the_function_itself_is_passed_on():
    def raising(x):
        raise KeyError("shape")

    with pytest.raises(KeyError, match="shape"):
        check(raising, X)


def test_a_scalar_loss_is_checked_with_a_scalar_cotangent():
    def loss(x):
        def backward(dloss=1.0):
            assert np.ndim(dloss) == 0
            assert not isinstance(dloss, np.ndarray)
            return 2 * x * (dloss / x.size)

        return np.mean(x * x), backward

    assert_gradients(loss, X)


def test_the_checker_imports_neither_hypothesis_nor_the_library_under_test():
    code = (
        "import sys, minirmae.gradcheck, minirmae.gradcheck.sabotage\n"
        "found = {'hypothesis', 'minirmae.ops', 'minirmae.layers', 'scipy', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(', '.join(found) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
