"""Optimisers: update rules on a flat vector of parameters and one of gradients.

`optimizer.step(values, grads)` changes `values` in place. The state is made
at the first step, in the shape of `values`; `state_dict` and `load_state_dict`
carry it through a checkpoint. A learning rate is a number or a schedule.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from minirmae.arrays import Array, array_module, asarray
from minirmae.engines.cpu.pages import shared_copy
from minirmae.engines.cpu.parallel import blocks
from minirmae.schedules import Schedule
from minirmae.validation import require_cotangent


class Optimizer:
    """Base: counts steps, resolves the learning rate, keeps the state vectors.

    Args:
        learning_rate: a number, or a function of the step counted from 0.

    Attributes:
        steps: number of steps taken.
        moments: the state vectors, by name.
    """

    state_names: ClassVar[tuple[str, ...]] = ()

    def __init__(self, learning_rate: float | Schedule) -> None:
        if not callable(learning_rate):
            _require_range(type(self).__name__, "learning_rate", learning_rate, 0, math.inf)
        self.learning_rate = learning_rate
        self.steps = 0
        self.moments: dict[str, Array] = {}

    def step(self, values: Array, grads: Array) -> None:
        """Take one step: change `values` by the update rule for the gradient `grads`.

        Raises:
            TypeError: dtypes differ.
            ValueError: shapes differ, or differ from the state's.
        """
        require_cotangent(f"{type(self).__name__}.step", grads, values)
        rate = self.advance(values)
        # On a card one pass is one kernel; a processor works on what its cache holds.
        for part in blocks(0, len(values)) if array_module(values) is np else [slice(None)]:
            self.update(values, grads[part], rate, part)

    def advance(self, values: Array) -> float:
        """Count a step for the vector `values`, make the state at the first one, and return the learning rate.

        Raises TypeError or ValueError if the state is of another dtype or shape.
        """
        for name in self.state_names:
            if name not in self.moments:
                self.moments[name] = array_module(values).zeros_like(values)
            require_cotangent(f"{type(self).__name__}.step ({name})", self.moments[name], values)
        rate = self.current_rate()
        self.steps += 1
        return rate

    def current_rate(self) -> float:
        """Learning rate of the next step."""
        return float(self.learning_rate(self.steps) if callable(self.learning_rate) else self.learning_rate)

    def update(self, values: Array, grads: Array, rate: float, part: slice) -> None:
        """Change the stretch `part` of `values` for its gradient `grads`, in the step that `advance` has counted."""
        self._update(values[part], grads, rate, *(self.moments[name][part] for name in self.state_names))

    def share(self, values: Array) -> None:
        """Move the state for the vector `values`, made if need be, into memory shared with processes forked later."""
        for name in self.state_names:
            self.moments[name] = shared_copy(self.moments.get(name, np.zeros_like(values)))

    def state_dict(self) -> dict[str, Any]:
        """The state: `steps` and the state vectors by name."""
        return {"steps": self.steps, **self.moments}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state that `state_dict` returned.

        Raises ValueError if the names are not this optimiser's.
        """
        expected = {"steps"} if int(state.get("steps", 0)) == 0 else {"steps", *self.state_names}
        if set(state) not in (expected, {"steps", *self.state_names}):
            raise ValueError(
                f"{type(self).__name__}: the state must hold {', '.join(sorted(expected))}; "
                f"got {', '.join(sorted(state))}; was it saved by another optimiser?"
            )
        self.steps = int(state["steps"])
        self.moments = {name: state[name].copy() for name in self.state_names if name in state}

    def to(self, device: str) -> None:
        """Move the state vectors to `device`, where the model's parameters are."""
        self.moments = {name: asarray(moment, device) for name, moment in self.moments.items()}

    def _update(self, values: Array, grads: Array, rate: float, *state: Array) -> None:
        """Change `values`, any stretch of the vector, and the same stretch of the state vectors, in place."""
        raise NotImplementedError(f"{type(self).__name__} does not define _update")


class SGD(Optimizer):
    """Gradient descent `w <- w - rate g`."""

    def _update(self, values: Array, grads: Array, rate: float, *state: Array) -> None:
        values -= rate * grads


class Momentum(Optimizer):
    """Heavy ball (Polyak 1964; in the form of Sutskever et al. 2013): `v <- momentum v + g`, `w <- w - rate v`."""

    state_names = ("velocity",)

    def __init__(self, learning_rate: float | Schedule, momentum: float = 0.9) -> None:
        super().__init__(learning_rate)
        _require_range("Momentum", "momentum", momentum, 0, 1)
        self.momentum = momentum

    def _update(self, values: Array, grads: Array, rate: float, *state: Array) -> None:
        (velocity,) = state
        velocity *= self.momentum
        velocity += grads
        values -= rate * velocity


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015, algorithm 1).

    m <- beta1 m + (1 - beta1) g
    v <- beta2 v + (1 - beta2) g^2
    w <- w - rate (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)

    The divisions by `1 - beta^t` undo the bias of moments that start at zero.
    """

    state_names = ("first_moment", "second_moment")

    def __init__(
        self,
        learning_rate: float | Schedule = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
    ) -> None:
        super().__init__(learning_rate)
        name = type(self).__name__
        _require_range(name, "beta1", beta1, 0, 1)
        _require_range(name, "beta2", beta2, 0, 1)
        _require_range(name, "epsilon", epsilon, 0, math.inf)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon

    def _update(self, values: Array, grads: Array, rate: float, *state: Array) -> None:
        xp = array_module(values)
        m, v = state
        work = grads * (1 - self.beta1)
        m *= self.beta1
        m += work
        xp.multiply(grads, grads, out=work)
        work *= 1 - self.beta2
        v *= self.beta2
        v += work
        # With c = 1 / (1 - beta2^t), sqrt(c v) + epsilon = sqrt(c) (sqrt(v) + epsilon / sqrt(c)): a pass less.
        root = math.sqrt(1 / (1 - self.beta2**self.steps))
        xp.sqrt(v, out=work)
        work += self.epsilon / root
        xp.divide(m, work, out=work)
        work *= rate / ((1 - self.beta1**self.steps) * root)
        values -= work


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2).

    Before Adam's step, `w <- w - rate weight_decay w`: the decay does not pass through the moments.
    """

    def __init__(
        self,
        learning_rate: float | Schedule = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(learning_rate, beta1, beta2, epsilon)
        _require_range("AdamW", "weight_decay", weight_decay, 0, math.inf)
        self.weight_decay = weight_decay

    def _update(self, values: Array, grads: Array, rate: float, *state: Array) -> None:
        values *= 1 - rate * self.weight_decay
        super()._update(values, grads, rate, *state)


def _require_range(where: str, name: str, value: float, low: float, high: float) -> None:
    if not low <= value < high:
        raise ValueError(f"{where}: {name} must be in [{low}, {high}), got {value!r}")
