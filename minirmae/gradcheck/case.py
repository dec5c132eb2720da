"""A case of the suite: a function, layer or model of this library, and the point at which it is checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minirmae.arrays import Array, asarray, asnumpy
from minirmae.gradcheck.adjoint import dot_test
from minirmae.gradcheck.check import check
from minirmae.gradcheck.model import check_model, model_function
from minirmae.gradcheck.report import Report
from minirmae.gradcheck.subject import Function
from minirmae.layers import Layer

Point = tuple[Function, tuple[Array, ...]]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Case:
    """One checked function.

    Attributes:
        name: unique in the suite.
        covers: the public name of the op, layer class or preset.
        run: the report for a seed, and a device to compare with if it is not "cpu".
        point: for a seed, the function and the arrays it is checked at, for
            those who want to sabotage it; None where there is no backward.
        engine: what computes it, "reference" or the name of an engine.
    """

    name: str
    covers: str
    run: Callable[..., Report]
    point: Callable[[int], Point] | None = None
    engine: str = "reference"


def op_case(name: str, covers: str, function: Function, *shapes: Shape, **options: Any) -> Case:
    """A case for `check`: `function` at standard normal arrays of `shapes`, with the options of `check`."""

    def point(seed: int) -> Point:
        rng = np.random.default_rng(seed)
        return function, tuple(np.asarray(rng.standard_normal(shape)) for shape in shapes)

    def run(seed: int, device: str = "cpu") -> Report:
        return check(function, *point(seed)[1], seed=seed, name=name, device=device, **options)

    return Case(name, covers, run, point)


def adjoint_case(
    name: str,
    forward: Callable[[Array, Array], Array],
    adjoint: Callable[[Array, Array], Array],
    x: Shape,
    held: Shape,
) -> Case:
    """A case for `dot_test`: two linear maps of their first argument, at a random second one of shape `held`."""

    def run(seed: int, device: str = "cpu") -> Report:
        other = asarray(np.random.default_rng(seed).standard_normal(held), device)

        def on_device(linear: Callable[[Array, Array], Array]) -> Callable[[Array], Array]:
            return lambda u: asnumpy(linear(asarray(u, device), other))

        return dot_test(on_device(forward), on_device(adjoint), np.zeros(x), seed=seed, name=name)

    return Case(name, name, run)


def model_case(
    name: str,
    covers: str,
    make: Callable[[np.random.Generator], Layer],
    shape: Shape,
    *,
    rng_seed: int | None = None,
    **options: Any,
) -> Case:
    """A case for `check_model`, with its options: the layer that `make` builds, at a random input of `shape`."""

    def build(seed: int) -> tuple[Layer, Array]:
        rng = np.random.default_rng(seed)
        return make(rng), np.asarray(rng.standard_normal(shape))

    def point(seed: int) -> Point:
        model, x = build(seed)
        values = (p.value.astype(np.float64) for _, p in model.named_parameters() if p.trainable)
        return model_function(model, rng_seed)[1], (x, *values)

    def run(seed: int, device: str = "cpu") -> Report:
        model, x = build(seed)
        return check_model(model, x, seed=seed, rng_seed=rng_seed, name=name, device=device, **options)

    return Case(name, covers, run, point)
