"""Wrappers that make one mistake, for the catalogue in `sabotage.py`.

Each takes an op and returns it with the same value and one thing wrong in its
backward, or in how it treats the memory that it is given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minirmae.arrays import Array
from minirmae.gradcheck.subject import Function, as_cotangent, as_tuple

Backward = Callable[..., Any]
Change = Callable[[Array], Array]


def _with_backward(function: Function, wrong: Callable[[Backward, Any], Any]) -> Function:
    """`function` with the backward `dy -> wrong(backward, dy)`."""

    def broken(*arrays: Array) -> tuple[Any, Backward]:
        y, backward = function(*arrays)
        return y, lambda dy: wrong(backward, dy)

    return broken


def _as_returned(gradients: tuple[Any, ...]) -> Any:
    return gradients if len(gradients) > 1 else gradients[0]


def _each(function: Function, change: Callable[[Any], Any]) -> Function:
    return _with_backward(function, lambda back, dy: _as_returned(tuple(change(g) for g in as_tuple(back(dy)))))


def wrong_gradient(function: Function, k: int, change: Change) -> Function:
    """Gradient `k` put through `change` before it is returned."""

    def wrong(backward: Backward, dy: Any) -> Any:
        gradients = as_tuple(backward(dy))
        return _as_returned(tuple(np.asarray(change(g)) if i == k else g for i, g in enumerate(gradients)))

    return _with_backward(function, wrong)


def wrong_cotangent(function: Function, k: int, change: Change) -> Function:
    """Gradient `k` computed from `change(dy)` in place of dy."""

    def wrong(backward: Backward, dy: Any) -> Any:
        right, changed = as_tuple(backward(dy)), as_tuple(backward(as_cotangent(np.asarray(change(np.asarray(dy))))))
        return _as_returned(tuple(changed[i] if i == k else g for i, g in enumerate(right)))

    return _with_backward(function, wrong)


def mutating_dy(function: Function) -> Function:
    """The backward doubles dy in place when it is done."""

    def wrong(backward: Backward, dy: Array) -> Any:
        gradients = backward(dy)
        dy *= 2
        return gradients

    return _with_backward(function, wrong)


def mutating_input(function: Function) -> Function:
    """The forward doubles its arguments in place when it is done."""

    def broken(*arrays: Array) -> tuple[Any, Backward]:
        result = function(*(array.copy() for array in arrays))
        for array in arrays:
            if array.ndim and array.size:
                array *= 2
        return result

    return broken


def aliasing(function: Function) -> Function:
    """Where a gradient has the shape of dy, dy itself is returned for it."""

    def wrong(backward: Backward, dy: Array) -> Any:
        return _as_returned(tuple(dy if g.shape == dy.shape else g for g in as_tuple(backward(dy))))

    return _with_backward(function, wrong)


def accumulating(function: Function) -> Function:
    """Each call of the backward returns the sum of all calls so far."""

    def broken(*arrays: Array) -> tuple[Any, Backward]:
        y, backward = function(*arrays)
        total: list[Any] = [0] * len(arrays)

        def accumulate(dy: Any) -> Any:
            total[:] = [t + g for t, g in zip(total, as_tuple(backward(dy)), strict=True)]
            return _as_returned(tuple(total))

        return y, accumulate

    return broken


def reusing(function: Function) -> Function:
    """Each call of the backward writes into the arrays that the first one returned."""

    def broken(*arrays: Array) -> tuple[Any, Backward]:
        y, backward = function(*arrays)
        buffers: list[Array] = []

        def reuse(dy: Any) -> Any:
            gradients = as_tuple(backward(dy))
            if not buffers:
                buffers.extend(np.empty_like(g) for g in gradients)
            for buffer, gradient in zip(buffers, gradients, strict=True):
                buffer[...] = gradient
            return _as_returned(tuple(buffers))

        return y, reuse

    return broken


def stale(function: Function) -> Function:
    """The backward of every forward is that of the latest forward."""
    latest: list[Backward] = []

    def broken(*arrays: Array) -> tuple[Any, Backward]:
        y, backward = function(*arrays)
        latest[:] = [backward]
        return y, lambda dy: latest[0](dy)

    return broken


def single_use(function: Function) -> Function:
    """A second call of the backward raises IndexError."""

    def broken(*arrays: Array) -> tuple[Any, Backward]:
        y, backward = function(*arrays)
        unused = [backward]
        return y, lambda dy: unused.pop()(dy)

    return broken


def returning(function: Function, dtype: Any) -> Function:
    """Real gradients are returned as `dtype`, whatever the arguments' dtype."""
    return _each(function, lambda g: g if np.iscomplexobj(g) else g.astype(dtype))


def reshaping(function: Function) -> Function:
    """Gradients get an extra first axis."""
    return _each(function, lambda g: np.asarray(g)[None])


def dropping(function: Function) -> Function:
    """The last gradient is left out."""
    return _with_backward(function, lambda backward, dy: as_tuple(backward(dy))[:-1])
