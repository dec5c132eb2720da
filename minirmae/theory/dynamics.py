"""Any model and objective followed in continuous time, by gradient flow, or in steps, by an optimiser.

A flow is a statement about `w' = -grad L(w)`; training is a sequence of
updates. Both take the gradient from the model's own backward and record the
same thing, the path of the flat vector of parameters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from minirmae.backend import Array, array_module
from minirmae.layers import Layer
from minirmae.objectives import Objective
from minirmae.optimizers import Optimizer
from minirmae.theory.integrator import ATOL, RTOL, integrate
from minirmae.validation import require_positive_int


@dataclass(frozen=True)
class Path:
    """Where a model's parameters went.

    Attributes:
        times: (T,), time of a flow or number of steps of a training run.
        values: (T, p), the model's flat vector at each.
        losses: (T,), what was minimised, weight decay included.
        energy_defect: largest |L(t) + integral of |grad L|^2 - L(0)|, which is 0 for an exact
            gradient flow and as large as the error of a computed one; NaN for a training run.
    """

    times: Array
    values: Array
    losses: Array
    energy_defect: float = math.nan


def gradient_flow(
    model: Layer,
    objective: Objective,
    x: Array,
    times: Array,
    *,
    decay: float = 0.0,
    rtol: float = RTOL,
    atol: float = ATOL,
    max_steps: int = 1_000_000,
) -> Path:
    """Follow `w' = -grad L(w)` from the model's parameters; the model itself is left as it is.

    Args:
        model, objective, x: what is minimised is `objective(model, x)`.
        times: (T,), increasing; the first is the time of the start.
        decay: mu, adds `mu/2 |w|^2` to the loss.
        rtol, atol, max_steps: as in `integrate`.

    The integral of |grad L|^2 is carried along as one more entry of the
    state, which makes the energy identity `L(t) + integral = L(0)` a
    certificate of the run. Raises what `integrate` and the objective raise.
    """
    moving = model.astype(model.dtype)
    xp = array_module(moving.values)

    def loss_and_gradient(values: Array) -> tuple[float, Array]:
        moving.values[...] = values
        moving.grads[...] = 0
        loss, backward = objective(moving, x, None)
        backward()
        if decay:
            loss = loss + decay / 2 * (values @ values)
            moving.grads[...] += decay * values
        return float(loss), moving.grads

    def field(t: float, state: Array) -> Array:
        _, gradient = loss_and_gradient(state[:-1])
        slope = xp.empty_like(state)
        slope[:-1] = -gradient
        slope[-1] = gradient @ gradient
        return slope

    start = xp.append(model.values, 0.0).astype(model.dtype)
    solution = integrate(field, start, times, rtol=rtol, atol=atol, max_steps=max_steps)
    values, dissipated = solution.states[:, :-1], solution.states[:, -1]
    losses = xp.array([loss_and_gradient(row)[0] for row in values])
    defect = float(abs(losses + dissipated - losses[0]).max())
    return Path(solution.times, values, losses, defect)


def train(model: Layer, objective: Objective, x: Array, optimizer: Optimizer, steps: int, every: int = 1) -> Path:
    """Train the model on the whole batch `x`, in place, and return its path.

    Args:
        optimizer: one of `minirmae.optimizers`; its state continues if it has any.
        steps: number of updates.
        every: record the start, every so many updates, and the last.

    Raises ValueError if `steps` or `every` is not a positive integer, or what the objective raises.
    """
    require_positive_int("train", steps=steps, every=every)
    times, values, losses = [], [], []
    for step in range(steps + 1):
        model.grads[...] = 0
        loss, backward = objective(model, x, None)
        if step % every == 0 or step == steps:
            times.append(step)
            values.append(model.values.copy())
            losses.append(float(loss))
        if step < steps:
            backward()
            optimizer.step(model.values, model.grads)
    xp = array_module(model.values)
    return Path(np.array(times, dtype=float), xp.stack(values), np.array(losses))
