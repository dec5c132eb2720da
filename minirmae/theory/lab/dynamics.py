"""Follow any model and objective in continuous time, by gradient flow, or in steps, by an optimiser.

A flow is a statement about `w' = -grad L(w)`; training is a sequence of
updates. Both take the gradient from the model's own backward and record the
same thing, the path of the flat vector of parameters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from minirmae.arrays import Array, array_module, asarray, asnumpy
from minirmae.layers import Layer
from minirmae.objectives import Objective
from minirmae.optimizers import Optimizer
from minirmae.theory.lab.integrator import ATOL, RTOL, integrate
from minirmae.theory.lab.placement import simulation_device
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
    moving = model.astype(model.dtype).to(simulation_device(model.device))
    x, xp = asarray(x, moving.device), array_module(moving.values)

    def loss_and_gradient(values: Array) -> tuple[float, Array]:
        moving.values[...] = values
        moving.zero_grads()
        loss, backward = objective(moving, x, None)
        backward()
        value = float(asnumpy(loss))
        if decay:
            value += decay / 2 * (values @ values).item()
            moving.grads[...] += decay * values
        return value, moving.grads

    def field(t: float, state: Array) -> Array:
        _, gradient = loss_and_gradient(state[:-1])
        slope = xp.empty_like(state)
        slope[:-1] = -gradient
        slope[-1] = gradient @ gradient
        return slope

    start = xp.append(moving.values, 0.0).astype(model.dtype)
    solution = integrate(field, start, times, rtol=rtol, atol=atol, max_steps=max_steps)
    losses = np.array([loss_and_gradient(solution.states[i, :-1])[0] for i in range(len(solution.states))])
    states = asnumpy(solution.states)
    defect = float(abs(losses + states[:, -1] - losses[0]).max())
    return Path(solution.times, states[:, :-1], losses, defect)


def train(model: Layer, objective: Objective, x: Array, optimizer: Optimizer, steps: int, every: int = 1) -> Path:
    """Train the model on the whole batch `x`, in place, and return its path.

    Args:
        optimizer: one of `minirmae.optimizers`; its state continues if it has any.
        steps: number of updates.
        every: number of updates between two records; the start and the end are recorded too.

    Raises ValueError if `steps` or `every` is not a positive integer, or what the objective raises.
    """
    require_positive_int("train", steps=steps, every=every)
    device = simulation_device(model.device)
    moving = model if device == model.device else model.to(device)
    optimizer.to(device)
    x = asarray(x, device)
    times, values, losses = [], [], []
    for step in range(steps + 1):
        moving.zero_grads()
        loss, backward = objective(moving, x, None)
        if step % every == 0 or step == steps:
            times.append(step)
            values.append(asnumpy(moving.values.copy()))
            losses.append(float(asnumpy(loss)))
        if step < steps:
            backward()
            optimizer.step(moving.values, moving.grads)
    if moving is not model:
        model.values[...] = asarray(moving.values, model.device)
        optimizer.to(model.device)
    return Path(np.array(times, dtype=float), np.stack(values), np.array(losses))
