"""Optimisers: update rules on a flat vector of parameters and one of gradients, as the textbooks write them."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from minirmae.arrays import Array, array_module, asarray
from minirmae.validation import require_cotangent, require_range

Schedule = Callable[[int], float]  # of the step, counted from 0; see `minirmae.schedules`
Rate = float | Schedule


class Optimizer:
    """Base: counts `steps`, knows the learning rate, a number or a schedule, and keeps the state `moments` by name."""

    state_names: ClassVar[tuple[str, ...]] = ()

    def __init__(self, learning_rate: Rate) -> None:
        if not callable(learning_rate):
            require_range(type(self).__name__, "learning_rate", learning_rate, 0)
        self.learning_rate, self.steps = learning_rate, 0
        self.moments: dict[str, Array] = {}

    def step(self, values: Array, grads: Array) -> None:
        """Change `values` by the update rule; TypeError or ValueError if gradient or state do not fit them."""
        require_cotangent(f"{type(self).__name__}.step", grads, values)
        rate = self.advance(values)
        self.update(values, grads, rate, *(self.moments[name] for name in self.state_names))

    def advance(self, values: Array) -> float:
        """Count a step for the vector `values`, make the state at the first one, and return the learning rate."""
        for name in self.state_names:
            if name not in self.moments:
                self.moments[name] = array_module(values).zeros_like(values)
            require_cotangent(f"{type(self).__name__}.step ({name})", self.moments[name], values)
        rate = self.rate_at(self.steps)
        self.steps += 1
        return rate

    def update(self, values: Array, grads: Array, rate: float, *state: Array) -> None:
        """Change `values`, any stretch of the vector, and the same stretch of the state vectors, in place."""
        raise NotImplementedError(f"{type(self).__name__} does not define update")

    def rate_at(self, step: int) -> float:
        """Learning rate of the step that follows `step` others."""
        return float(self.learning_rate(step) if callable(self.learning_rate) else self.learning_rate)

    def state_dict(self) -> dict[str, Any]:
        """The state: `steps` and the state vectors by name."""
        return {"steps": self.steps, **self.moments}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state that `state_dict` returned; ValueError if the names are not this optimiser's."""
        expected = {"steps", *(self.state_names if int(state.get("steps", 0)) else ())}
        if set(state) not in (expected, {"steps", *self.state_names}):
            what = f"must hold {', '.join(sorted(expected))}; got {', '.join(sorted(state))}"
            raise ValueError(f"{type(self).__name__}: the state {what}; was it saved by another optimiser?")
        self.steps = int(state["steps"])
        self.moments = {name: state[name].copy() for name in self.state_names if name in state}

    def to(self, device: str) -> None:
        """Move the state vectors to `device`, where the model's parameters are."""
        self.moments = {name: asarray(moment, device) for name, moment in self.moments.items()}


class SGD(Optimizer):
    """Gradient descent `w <- w - rate g`."""

    def update(self, values: Array, grads: Array, rate: float, *state: Array) -> None:
        values -= rate * grads


class Momentum(Optimizer):
    """Heavy ball (Polyak 1964; in the form of Sutskever et al. 2013): `v <- momentum v + g`, `w <- w - rate v`."""

    state_names = ("velocity",)

    def __init__(self, learning_rate: Rate, momentum: float = 0.9) -> None:
        super().__init__(learning_rate)
        require_range("Momentum", "momentum", momentum, 0, 1)
        self.momentum = momentum

    def update(self, values: Array, grads: Array, rate: float, *state: Array) -> None:
        state[0][...] = self.momentum * state[0] + grads
        values -= rate * state[0]


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015, algorithm 1), whose moments start at zero and are corrected for that."""

    state_names = ("first_moment", "second_moment")

    def __init__(
        self, learning_rate: Rate = 1e-3, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8
    ) -> None:
        super().__init__(learning_rate)
        for name, value in (("beta1", beta1), ("beta2", beta2)):
            require_range(type(self).__name__, name, value, 0, 1)
        require_range(type(self).__name__, "epsilon", epsilon, 0)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon

    def update(self, values: Array, grads: Array, rate: float, *state: Array) -> None:
        m, v = state
        m[...] = self.beta1 * m + (1 - self.beta1) * grads
        v[...] = self.beta2 * v + (1 - self.beta2) * grads**2
        m_hat, v_hat = m / (1 - self.beta1**self.steps), v / (1 - self.beta2**self.steps)
        values -= rate * m_hat / (array_module(v).sqrt(v_hat) + self.epsilon)


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2), which does not pass the moments."""

    def __init__(self, learning_rate: Rate = 1e-3, *betas: float, weight_decay: float = 1e-2, **options: float) -> None:
        super().__init__(learning_rate, *betas, **options)
        require_range("AdamW", "weight_decay", weight_decay, 0)
        self.weight_decay = weight_decay

    def update(self, values: Array, grads: Array, rate: float, *state: Array) -> None:
        values *= 1 - rate * self.weight_decay
        super().update(values, grads, rate, *state)
