"""The update rules in place and in pieces that the cache holds; the same steps as the reference's up to rounding.

Adam's formula as published reads and writes the vectors nine times. With c = 1 / (1 - beta2^t),

    sqrt(c v) + epsilon = sqrt(c) (sqrt(v) + epsilon / sqrt(c)),

so the corrections of both moments become one factor of the learning rate and one of epsilon: no pass over a vector.
"""

from __future__ import annotations

import math

import numpy as np

from minirmae.arrays import Array, array_module
from minirmae.engines.cpu.parallel import blocks
from minirmae.optimizers import Adam, AdamW, Optimizer


def update(optimizer: Optimizer, values: Array, grads: Array, rate: float, start: int = 0) -> None:
    """Change `values` from entry `start` on, by their gradients, in the step that `optimizer.advance` has counted.

    A GPU takes the whole in one pass per operation; a CPU works on what its cache holds.
    """
    pieces = blocks(start, start + len(grads)) if isinstance(values, np.ndarray) else [slice(start, start + len(grads))]
    for part in pieces:
        state = [optimizer.moments[name][part] for name in optimizer.state_names]
        piece = grads[part.start - start : part.stop - start]
        if type(optimizer) in (Adam, AdamW):
            _adam(optimizer, values[part], piece, rate, *state)  # type: ignore[arg-type]
        else:
            optimizer.update(values[part], piece, rate, *state)


def _adam(optimizer: Adam, values: Array, grads: Array, rate: float, m: Array, v: Array) -> None:
    xp = array_module(values)
    if isinstance(optimizer, AdamW):
        values *= 1 - rate * optimizer.weight_decay
    work = grads * (1 - optimizer.beta1)
    m *= optimizer.beta1
    m += work
    xp.multiply(grads, grads, out=work)
    work *= 1 - optimizer.beta2
    v *= optimizer.beta2
    v += work
    root = math.sqrt(1 / (1 - optimizer.beta2**optimizer.steps))
    xp.sqrt(v, out=work)
    work += optimizer.epsilon / root
    xp.divide(m, work, out=work)
    work *= rate / ((1 - optimizer.beta1**optimizer.steps) * root)
    values -= work
