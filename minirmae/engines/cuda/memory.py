"""The names under which a step's arrays lie in memory.

Inputs and outputs of stages are numbered: array i enters stage i. The states
of a chain lie one after the other: the first is the chain's input, the last its
output, and neither is stored anywhere else.
"""

from __future__ import annotations

from collections.abc import Sequence

from minirmae.engines.cuda.launch import Buffer
from minirmae.engines.cuda.network import StageSpec

CAPACITY = 256
"""Length of the rings of losses and learning rates on the device: the host looks after them once per round."""

PROGRESS = Buffer("progress", (2,), "int64")
RATES = Buffer("rates", (CAPACITY,), "float64")
LOSSES = Buffer("losses", (CAPACITY,))


def vectors(trained: int, fixed: int) -> dict[str, Buffer]:
    """Return a model's vectors by name: values, grads, both moments, and fixed, which may be empty."""
    names = ("values", "grads", "first_moment", "second_moment")
    return {**{name: Buffer(name, (trained,)) for name in names}, "fixed": Buffer("fixed", (fixed,))}


def states(stage: StageSpec, index: int, count: int, what: str) -> Buffer:
    """Return all states (layers + 1, count, n) of the chain that is stage `index`: "value" or "gradient"."""
    return Buffer(f"chain {what} {index}", (stage.layers + 1, count, *stage.inputs))


def entering(stages: Sequence[StageSpec], index: int, count: int, what: str) -> Buffer:
    """Return the array that enters stage `index`, or leaves the last one if there is no such stage."""
    if index < len(stages) and stages[index].kind == "chain":
        return states(stages[index], index, count, what).part(0, (count, *stages[index].inputs))
    if index > 0 and stages[index - 1].kind == "chain":
        before = stages[index - 1]
        size = count * before.outputs[0]
        return states(before, index - 1, count, what).part(before.layers * size, (count, *before.outputs))
    shape = stages[index].inputs if index < len(stages) else stages[index - 1].outputs
    return Buffer(f"{what} {index}", (count, *shape))
