"""Whole models: a layer is a function of its input and its parameters.

`y = model(x)` hides its parameters as state, but to a gradient check they are
arguments like any other. `model_function` makes them so, on a copy of the
model, and then the same ladder applies, with a row for each named parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from minirmae.arrays import Array, device_of
from minirmae.devices import require_device
from minirmae.gradcheck.check import RUNGS, as_float64, check_subject
from minirmae.gradcheck.hygiene import TOLERANCE
from minirmae.gradcheck.report import Report, Row, guarded, measured
from minirmae.gradcheck.subject import Function, Subject, draw_like, relative_difference


class ModelParameter(Protocol):
    """What is asked of a parameter: views of its value and gradient."""

    trainable: bool

    @property
    def value(self) -> Array: ...

    @property
    def grad(self) -> Array: ...


class Model(Protocol):
    """What is asked of a model; every `minirmae.layers.Layer` is one."""

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Callable[[Array], Array]]: ...

    def named_parameters(self) -> Iterator[tuple[str, Any]]: ...

    def astype(self, dtype: Any) -> Model: ...

    def to(self, device: str) -> Model: ...


def check_model(
    model: Model,
    x: Array,
    *,
    seed: int = 0,
    rng_seed: int | None = None,
    name: str | None = None,
    linear: bool | Iterable[str] = False,
    rungs: Sequence[str] = RUNGS,
    per_argument: bool | None = None,
    reduction_length: int | None = None,
    returns_view: bool = False,
    device: str = "cpu",
) -> Report:
    """Check the gradients of a layer or model with respect to its input and every trainable parameter.

    Args:
        model: a `minirmae.layers.Layer`, or anything with its interface. It is copied and never changed.
        x: a batch of inputs, shape (N, ...).
        seed: of the random directions and cotangents.
        rng_seed: seed of the generator that each forward is given, for a model
            with dropout; None evaluates without one.
        name: heads the report; None takes the model's class.

    The other arguments are those of `check`; arguments are called `x` and by
    the parameters' paths. Beyond a million parameters a derivative row covers
    all of them jointly. Memory: at its peak about twelve float64 copies of the parameters.

    Returns:
        A report with the rows of `check` and one more, that the backward adds
        into the gradients and leaves the parameters alone.

    Raises:
        TypeError, ValueError: as `check`.
    """
    name = name or type(model).__name__
    x = as_float64(name, "x", x)
    names, function = model_function(model, rng_seed)
    values = (np.asarray(p.value, dtype=np.float64) for _, p in _trainable(model))
    subject = Subject(name, function, ("x", *names), (x, *values), seed, require_device(device))
    report = check_subject(subject, linear, rungs, per_argument, reduction_length, returns_view)
    if "hygiene" not in rungs or len(report.rows) == 1:
        return report
    extra = guarded("hygiene", "adds gradients", lambda: [_adds_gradients(model, x, seed, rng_seed)])
    return Report(report.name, report.seed, (*report.rows, *extra))


def model_function(model: Model, rng_seed: int | None = None) -> tuple[tuple[str, ...], Function]:
    """The names of the trainable parameters, and the model as a function `y, backward = f(x, *parameters)`.

    Each forward runs on a copy of the model of its own, in the dtype and on the device of `x`.
    """

    def function(x: Array, *parameters: Array) -> tuple[Array, Callable[[Array], tuple[Array, ...]]]:
        copy = model.astype(x.dtype)
        if device_of(x) != "cpu":
            copy = copy.to(device_of(x))
        for (_, parameter), value in zip(_trainable(copy), parameters, strict=True):
            parameter.value[...] = value
        y, backward = copy(x, None if rng_seed is None else np.random.default_rng(rng_seed))

        def model_backward(dy: Array) -> tuple[Array, ...]:
            for _, parameter in _trainable(copy):
                parameter.grad[...] = 0
            dx = backward(dy)
            return dx, *(parameter.grad.copy() for _, parameter in _trainable(copy))

        return y, model_backward

    return tuple(name for name, _ in _trainable(model)), function


def _trainable(model: Model) -> list[tuple[str, ModelParameter]]:
    return [(name, parameter) for name, parameter in model.named_parameters() if parameter.trainable]


def _adds_gradients(model: Model, x: Array, seed: int, rng_seed: int | None) -> Row:
    """Two backwards add up to twice one, and no parameter, trained or fixed, has changed."""
    copy = model.astype(np.float64)
    before = [parameter.value.copy() for _, parameter in copy.named_parameters()]
    y, backward = copy(x.copy(), None if rng_seed is None else np.random.default_rng(rng_seed))
    dy = draw_like(np.random.default_rng(seed), y)
    for _, parameter in _trainable(copy):
        parameter.grad[...] = 0
    backward(dy.copy())
    once = [parameter.grad.copy() for _, parameter in _trainable(copy)]
    backward(dy.copy())
    errors = [(0.0, "all", "")]
    for (name, parameter), gradient in zip(_trainable(copy), once, strict=True):
        error = relative_difference(parameter.grad, 2 * gradient)
        errors.append((error, name, "a second backward does not add the same gradient again"))
    for (name, parameter), value in zip(copy.named_parameters(), before, strict=True):
        if not np.array_equal(parameter.value, value):
            errors.append((np.inf, name, "forward or backward changed the parameter"))
    error, argument, note = max(errors)
    passes = error <= TOLERANCE
    details = {} if passes else {"note": note}
    return measured("all" if passes else argument, "hygiene", "adds gradients", error, TOLERANCE, **details)
