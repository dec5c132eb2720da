"""Deep linear networks as models of the library, and the losses of the theory as its objectives.

The one place where two conventions meet. Theory writes columns,
`y = W_N ... W_1 x` with `W_j` of shape (n_j, n_{j-1}); the library writes
rows, `y = x W`. So a list of *factors* `[W_1, ..., W_N]` becomes a
`Sequential` of bias-free `Linear` layers that hold the transposes, and
`factors_of` turns the flat vector of such a model back into factors. Every
gradient is the library's own backward: theory checks the library, and the
library the theory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from minirmae.arrays import Array, asarray, device_of
from minirmae.layers import Layer, Linear, Sequential
from minirmae.objectives import Objective
from minirmae.ops import mean_squared_error
from minirmae.theory.lab.placement import resident
from minirmae.validation import require_float, require_ndim

EndToEndLoss = Callable[[Array], tuple[float, Array]]
"""A loss of the product matrix alone: `value, G = loss(W)` with `G = dvalue/dW`, of W's shape."""


def linear_network(factors: Sequence[Array]) -> Sequential:
    """Return the model that maps rows x to `x W_1^T ... W_N^T`, in the dtype of `factors`.

    Args:
        factors: `[W_1, ..., W_N]`, `W_j` of shape (n_j, n_{j-1}).

    Raises:
        TypeError: the factors do not share one floating dtype.
        ValueError: there is none, or neighbours do not fit.

    >>> model = linear_network([np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]])])
    >>> model(np.eye(2))[0].T
    array([[3., 6.],
           [4., 8.]])
    """
    _require_chain("linear_network", factors)
    rng = np.random.default_rng(0)  # every draw is replaced by the factor itself

    def layer(factor: Array) -> Linear:
        outputs, inputs = factor.shape
        return Linear(
            inputs, outputs, rng=rng, bias=False, dtype=factor.dtype, initializer=lambda *_: np.array(factor.T)
        )

    return Sequential(*map(layer, factors))


def factors_of(model: Sequential, values: Array | None = None) -> list[Array]:
    """Return the factors `[W_1, ..., W_N]` of a linear network, or of its flat vectors along a path.

    Args:
        model: made by `linear_network`.
        values: (..., p), flat vectors such as `path.values`; None takes the model's own.

    Returns arrays (..., n_j, n_{j-1}), copies.
    """
    vectors = model.values if values is None else values
    result, start = [], 0
    for name, parameter in model.named_parameters():
        if len(parameter.shape) != 2 or not name.endswith(".W"):
            raise ValueError(
                f"factors_of: expected a model made by linear_network, but {name} is not the matrix of a linear layer"
            )
        block = vectors[..., start : start + parameter.size].reshape(*vectors.shape[:-1], *parameter.shape)
        result.append(block.swapaxes(-1, -2).copy())
        start += parameter.size
    return result


def product(factors: Sequence[Array]) -> Array:
    """Return `W_N ... W_1` of factors (..., n_j, n_{j-1}).

    Raises what `linear_network` raises.
    """
    _require_chain("product", factors)
    result = factors[0]
    for factor in factors[1:]:
        result = factor @ result
    return result


def imbalance(factors: Sequence[Array]) -> list[Array]:
    """Return `D_j = W_{j+1}^T W_{j+1} - W_j W_j^T`, j = 1..N-1, (..., n_j, n_j): conserved by gradient flow."""
    _require_chain("imbalance", factors)
    pairs = zip(factors[1:], factors[:-1], strict=True)
    return [after.swapaxes(-1, -2) @ after - before @ before.swapaxes(-1, -2) for after, before in pairs]


def quadratic_loss(covariance: Array, correlation: Array, target_power: float = 0.0) -> EndToEndLoss:
    """Return `W -> (L, G)`, `L = |Y - W X|_F^2 / 2P` written in the moments of the data.

    Args:
        covariance: Sxx = X X^T/P, (inputs, inputs).
        correlation: Syx = Y X^T/P, (outputs, inputs).
        target_power: tr Y Y^T/P, which only shifts the loss.

    `L = tr(W Sxx W^T)/2 - tr(Syx^T W) + tr(Syy)/2` and `G = W Sxx - Syx`.
    """

    moments = resident(covariance, correlation)

    def loss(W: Array) -> tuple[float, Array]:
        Sxx, Syx = moments(W)
        G = W @ Sxx - Syx
        return (((G - Syx) * W).sum().item() + target_power) / 2, G

    return loss


def end_to_end(loss: EndToEndLoss) -> Objective:
    """Return the objective that applies `loss` to the product matrix of a linear network.

    Call it with the identity as the batch, `x = numpy.eye(inputs)`: the
    network's output is then the transposed product, and `G^T` its cotangent.
    """

    def objective(model: Layer, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Callable[[], None]]:
        y, model_backward = model(x, rng)
        value, G = loss(y.T)

        def backward() -> None:
            model_backward(G.T)

        return asarray(value, device_of(y)), backward

    return objective


def regression(target: Array) -> Objective:
    """Return the objective `L = |target - model(x)|_F^2 / 2P` for rows `target` (P, outputs) and x (P, inputs).

    It is `ops.mean_squared_error`, the mean over samples and outputs, times outputs/2.
    """

    constants = resident(target)

    def objective(model: Layer, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Callable[[], None]]:
        y, model_backward = model(x, rng)
        loss, loss_backward = mean_squared_error(y, *constants(y))
        factor = target.shape[1] / 2

        def backward() -> None:
            model_backward(loss_backward(factor))

        return loss * factor, backward

    return objective


def add_decay(objective: Objective, mu: float) -> Objective:
    """Return `objective` plus `mu/2 |w|^2` over all trainable parameters w."""

    def decayed(model: Layer, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Callable[[], None]]:
        loss, backward = objective(model, x, rng)

        def decayed_backward() -> None:
            backward()
            model.grads[...] += mu * model.values

        return loss + mu / 2 * (model.values @ model.values), decayed_backward

    return decayed


def _require_chain(where: str, factors: Sequence[Array]) -> None:
    """Raise unless the factors are matrices of one dtype whose shapes fit one another."""
    if not factors:
        raise ValueError(f"{where}: expected at least one factor (depth N >= 1), got none")
    require_float(where, **{f"W_{j}": factor for j, factor in enumerate(factors, 1)})
    for j, factor in enumerate(factors, 1):
        if factor.ndim < 2:
            require_ndim(where, f"W_{j}", factor, 2, "(n_j, n_{j-1})")
        if j > 1 and factor.shape[-1] != factors[j - 2].shape[-2]:
            raise ValueError(
                f"{where}: W_{j} {factor.shape} takes {factor.shape[-1]} inputs, "
                f"but W_{j - 1} {factors[j - 2].shape} gives {factors[j - 2].shape[-2]}"
            )
