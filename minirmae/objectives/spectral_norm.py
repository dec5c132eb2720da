"""Spectral normalisation: a layer whose matrix is divided by its largest singular value.

    y = layer(x; W / sigma, b),      sigma = u' M v

M is the kernel W as a matrix, with its last axis as columns and all others as rows.
u and v estimate its first singular vectors: after each update of W one step of
power iteration suffices (Miyato, Kataoka, Koyama, Yoshida 2018, algorithm 1).
As there, u and v are held constant; sigma depends on W through M alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minirmae.arrays import Array, array_module
from minirmae.layers import Backward, Layer, Shape
from minirmae.tangents.layers import LayerTangent, tangent, tangent_rule
from minirmae.tangents.ops import Pair

_FIRST_ITERATIONS = 15
"""Steps of power iteration at construction, so that training begins with a good estimate of sigma."""


class SpectralNorm(Layer):
    """A layer that is linear in its input and its kernel `W`, plus a bias, with the kernel divided by `sigma`.

    Args:
        layer: `Linear`, `Conv2d` or `ConvTranspose2d`; it becomes a child of this one.
        rng: source of the initial v.

    Raises TypeError if `layer` has no kernel `W`.

    The vectors are the fixed parameters `u` and `v`; `iterate` updates them.

    `W / sigma` acts on x as W acts on `x / sigma`, so the layer itself is called
    with a smaller input. With `dx_s` the gradient at `x / sigma`,

        dx = dx_s / sigma,     dsigma = -<dx_s, x> / sigma^2,     dW += dsigma u v'.
    """

    def __init__(self, layer: Layer, *, rng: np.random.Generator) -> None:
        if "W" not in layer.parameters:
            raise TypeError(f"SpectralNorm: {type(layer).__name__} has no kernel W to normalise")
        rows, columns = _matrix(layer.parameters["W"].value).shape
        v = rng.standard_normal(columns).astype(layer.dtype)
        super().__init__(fixed={"u": np.zeros(rows, layer.dtype), "v": v}, children={"layer": layer})
        self.layer = layer
        for _ in range(_FIRST_ITERATIONS):
            self.iterate()

    def __call__(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        sigma = self.sigma()
        y, layer_backward = self.layer(x / sigma, rng)

        def backward(dy: Array) -> Array:
            dx = layer_backward(dy)
            self.add_gradient(-(dx * x).sum() / (sigma * sigma))
            return dx / sigma

        return y, backward

    def output_shape(self, shape: Shape) -> Shape:
        return self.layer.output_shape(shape)

    def sigma(self) -> Array:
        """The estimate `u' M v` of the largest singular value, a scalar."""
        return self._vector("u") @ _matrix(self.layer.parameters["W"].value) @ self._vector("v")

    def iterate(self) -> None:
        """One step of power iteration: `u = M v / |M v|`, then `v = M' u / |M' u|`."""
        M = _matrix(self.layer.parameters["W"].value)
        norm = array_module(M).linalg.norm
        u, v = self._vector("u"), self._vector("v")
        u[...] = M @ v
        u /= norm(u)
        v[...] = M.T @ u
        v /= norm(v)

    def add_gradient(self, dsigma: Array) -> None:
        """Add the gradient that W receives through `sigma`: `dsigma u v'`."""
        W = self.layer.parameters["W"]
        outer = array_module(W.value).outer(self._vector("u"), self._vector("v"))
        W.grad[...] += (dsigma * outer).reshape(W.shape)

    def _vector(self, name: str) -> Array:
        return self.parameters[name].value


@tangent_rule.register
def _spectral_norm(layer: SpectralNorm, x: Array, tx: Array, rng: np.random.Generator | None = None) -> LayerTangent:
    sigma = layer.sigma()
    values, layer_backward = tangent(layer.layer, x / sigma, tx / sigma, rng)

    def backward(dy: Array, dty: Array) -> Pair:
        dx, dtx = layer_backward(dy, dty)
        layer.add_gradient(-((dx * x).sum() + (dtx * tx).sum()) / (sigma * sigma))
        return dx / sigma, dtx / sigma

    return values, backward


def normalised(layer: Layer) -> Iterator[SpectralNorm]:
    """Yield the spectrally normalised layers in a tree of layers."""
    if isinstance(layer, SpectralNorm):
        yield layer
    for child in layer.children.values():
        yield from normalised(child)


def _matrix(W: Array) -> Array:
    """A kernel as a matrix, a view: the last axis as columns, all others as rows."""
    return W.reshape(-1, W.shape[-1])
