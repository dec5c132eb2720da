"""The checker: every rung of the ladder on one function.

`check` works for any function with the contract `y, backward = f(*arrays)`;
`assert_gradients` is the same as one line of a test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from minirmae.arrays import Array
from minirmae.devices import require_device
from minirmae.gradcheck import adjoint, derivative, hygiene, precision, second_order
from minirmae.gradcheck.report import Report, Row, guarded
from minirmae.gradcheck.subject import Function, Subject, argument_names
from minirmae.validation import require_choice

RUNGS = ("adjoint", "derivative", "second order", "float32", "hygiene")
"""The properties checked, in the order of the report."""
PER_ARGUMENT_LIMIT = 1_000_000
"""Up to this many numbers in all arguments together, each argument has a derivative row of its own."""


def check(
    function: Function,
    *arrays: Array,
    seed: int = 0,
    name: str | None = None,
    arguments: Sequence[str] | None = None,
    linear: bool | Iterable[str] = False,
    rungs: Sequence[str] = RUNGS,
    per_argument: bool | None = None,
    reduction_length: int | None = None,
    returns_view: bool = False,
    device: str = "cpu",
) -> Report:
    """Check the hand-written gradient of `function` at `arrays`.

    Args:
        function: `y, backward = function(*arrays)`, where `y` is an array or a
            scalar and `backward(dy)` returns one gradient, or a tuple with one
            for each argument. Bind everything else with a lambda.
        arrays: the arguments, of any floating dtype and shape; all are
            differentiated. They are copied to float64 and never changed.
        seed: of the random directions and cotangents.
        name: heads the report; None takes the function's.
        arguments: names of the arguments; None takes the function's.
        linear: True if the function is linear or affine in each argument while
            the others are held, or the names of those in which it is.
        rungs: which of `RUNGS` to check.
        per_argument: a derivative row for each argument; None means yes up to
            a million numbers. If the joint row fails they follow anyway.
        reduction_length: longest sum in the function, for the float32 bound.
        returns_view: whether `y` may share memory with an argument.
        device: another device, such as "cuda", whose results the rung "float32" compares too.

    Returns:
        A report; `print` it, ask it for `.passed`, or `.require()` it.

    Raises:
        TypeError: an argument does not hold real floating numbers.
        ValueError: no argument, unknown names, or a device that cannot be used. Whatever the function raises
            when called at `arrays` is passed on.

    >>> def square(x):
    ...     return x * x, lambda dy: 2 * x * dy
    >>> check(square, np.array([1.0, -2.0])).passed
    True
    >>> def wrong(x):
    ...     return x * x, lambda dy: x * dy
    >>> row = check(wrong, np.array([1.0, -2.0])).worst
    >>> row.argument, row.index, round(row.analytic / row.numeric, 12)
    ('x', (0,), 0.5)
    """
    name = name or str(getattr(function, "__name__", type(function).__name__))
    names = tuple(arguments or argument_names(function, len(arrays)))
    if len(names) != len(arrays):
        raise ValueError(f"{name}: there are {len(names)} names for {len(arrays)} arrays; give one each")
    points = tuple(as_float64(name, n, a) for n, a in zip(names, arrays, strict=True))
    subject = Subject(name, function, names, points, seed, require_device(device))
    return check_subject(subject, linear, rungs, per_argument, reduction_length, returns_view)


def assert_gradients(function: Function, *arrays: Array, **options: Any) -> Report:
    """`check(function, *arrays, **options)`, raising AssertionError with the table unless everything passed.

    >>> _ = assert_gradients(lambda x: (x.sum(), lambda dy: np.full_like(x, dy)), np.arange(3.0))
    """
    return check(function, *arrays, **options).require()


def check_subject(
    subject: Subject,
    linear: bool | Iterable[str],
    rungs: Sequence[str],
    per_argument: bool | None,
    reduction_length: int | None,
    returns_view: bool,
) -> Report:
    """The report of `rungs` on `subject`; the arguments are those of `check`."""
    for rung in rungs:
        require_choice(subject.name, "rungs", rung, RUNGS)
    if not subject.arrays:
        raise ValueError(f"{subject.name}: give at least one array to differentiate")
    names = subject.arguments if linear is True else tuple(linear or ())
    for argument in names:
        require_choice(subject.name, "linear", argument, subject.arguments)
    if per_argument is None:
        per_argument = sum(array.size for array in subject.arrays) <= PER_ARGUMENT_LIMIT

    answer = hygiene.contract(subject)
    if answer.verdict != "pass":
        return Report(subject.name, subject.seed, (answer,))
    produce: dict[str, Callable[[], Iterable[Row]]] = {
        "adjoint": lambda: [*adjoint.linear_backward(subject), *adjoint.linear_arguments(subject, names)],
        "derivative": lambda: derivative.rows(subject, per_argument),
        "second order": lambda: second_order.rows(subject),
        "float32": lambda: precision.rows(subject, reduction_length),
        "hygiene": lambda: [answer, *hygiene.rows(subject, returns_view)],
    }
    found = [row for rung in RUNGS if rung in rungs for row in guarded(rung, "all", produce[rung])]
    return Report(subject.name, subject.seed, tuple(found))


def as_float64(where: str, name: str, array: Array) -> Array:
    """`array` as float64; raise TypeError unless it holds real floating numbers."""
    kind = getattr(getattr(array, "dtype", None), "kind", None)
    if kind != "f":
        got = f"dtype {array.dtype}" if kind else type(array).__name__
        raise TypeError(
            f"{where}: {name} must be a NumPy array of real floats, got {got}; "
            "bind arguments that are not differentiated with a lambda"
        )
    return np.asarray(array, dtype=np.float64)
