"""A Gaussian mixture with full covariances, fitted by expectation-maximisation.

The codes of a rank-minimising autoencoder lie near a subspace, where the
likelihood of a Gaussian has no maximum: a covariance can shrink towards a
singular one without end. So the fit maximises the *log-likelihood itself* over the
covariances none of whose eigenvalues is below a floor,

    maximise  sum_i ln sum_k w_k N(x_i | m_k, C_k)   subject to   C_k >= floor * I.

Both steps of EM stay exact. The E-step is the usual posterior. The M-step has
a closed form: with S_k the weighted covariance of component k, the best C_k
has the eigenvectors of S_k and the eigenvalues max(s, floor). (In P = inv(C)
the problem max ln det P - tr(S P), P <= I / floor, is concave, and this P
meets its optimality conditions.) Hence the log-likelihood never decreases,
singular data included. A fixed inverse-Wishart prior would be monotone too,
but its floor shrinks as a component grows, so in d null directions the larger
of two components gains (d / 2) ln(ratio of sizes) on the other and takes all the points.

Dempster, Laird and Rubin 1977 (EM); Ingrassia and Rocci 2007 (constrained
covariances keep it monotone).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from minirmae.arrays import Array, array_module, asarray, asnumpy, device_of
from minirmae.measures.codes import require_generator, require_matrix, symmetric_root
from minirmae.measures.kmeans import kmeans_plus_plus, lloyd
from minirmae.measures.rank import covariance_spectrum
from minirmae.validation import require_positive_int

_LLOYD_ITERATIONS = 10


@dataclass(frozen=True)
class GaussianMixture:
    """A mixture of K Gaussians in n dimensions, all in float64; made by `fit_mixture`."""

    weights: Array
    """Probabilities of the components (K,), summing to 1."""
    means: Array
    """(K, n)."""
    covariances: Array
    """(K, n, n), symmetric, no eigenvalue below the floor."""
    log_likelihoods: tuple[float, ...]
    """Log-likelihood of the fitted codes at the start and after each iteration; never decreases, except by rounding."""
    converged: bool
    """Whether the last iteration gained no more than the tolerance."""

    def sample(self, count: int, rng: np.random.Generator) -> Array:
        """Draw `count` points (count, n), components in random order.

        Raises ValueError or TypeError for a bad `count` or `rng`.
        """
        require_positive_int("GaussianMixture.sample", count=count)
        require_generator("GaussianMixture.sample", rng)
        component = rng.choice(len(self.weights), size=count, p=asnumpy(self.weights))
        device = device_of(self.means)
        points = asarray(rng.standard_normal((count, self.means.shape[1])), device)
        for k in range(len(self.weights)):
            mine = asarray(np.flatnonzero(component == k), device)
            points[mine] = self.means[k] + points[mine] @ symmetric_root(self.covariances[k])
        return points

    def log_density(self, x: Array) -> Array:
        """Return ln of the density at each row of `x` (M, n), as (M,), in nats."""
        return _log_sum_exp(self._log_joint("GaussianMixture.log_density", x))

    def responsibilities(self, x: Array) -> Array:
        """Return the probability (M, K) of each component given each row of `x` (M, n)."""
        joint = self._log_joint("GaussianMixture.responsibilities", x)
        probabilities: Array = array_module(joint).exp(joint - _log_sum_exp(joint)[:, None])
        return probabilities

    def _log_joint(self, where: str, x: Array) -> Array:
        x = require_matrix(where, "x", x)
        if x.shape[1] != self.means.shape[1]:
            raise ValueError(f"{where}: x must have {self.means.shape[1]} columns, got shape {x.shape}")
        factors = array_module(x).linalg.eigh(self.covariances)
        return _log_joint(x, _Parameters(self.weights, self.means, *factors))


def fit_mixture(
    codes: Array,
    components: int = 4,
    *,
    rng: np.random.Generator,
    regularization: float = 1e-6,
    tolerance: float = 1e-6,
    max_iterations: int = 200,
) -> GaussianMixture:
    """Fit a Gaussian mixture to `codes` (N, n) by EM from a k-means++ start.

    `regularization` sets the floor of the covariances' eigenvalues as a
    fraction of the largest eigenvalue of the codes' own covariance. The fit
    ends when an iteration gains no more than `tolerance` nats a point, or
    after `max_iterations`. With one component the result is the closed form:
    the mean, and the covariance (divisor N) with its eigenvalues floored.

    Raises TypeError or ValueError for codes that are not a finite float
    matrix, that do not vary, or that hold fewer distinct points than
    `components`; ValueError for an option out of range.

    >>> rng = np.random.default_rng(0)
    >>> codes = np.concatenate([rng.normal(-5, 1, (200, 2)), rng.normal(5, 1, (600, 2))])
    >>> mixture = fit_mixture(codes, 2, rng=rng)
    >>> sorted(mixture.weights.round(3).tolist())
    [0.25, 0.75]
    """
    where = "fit_mixture"
    require_positive_int(where, components=components, max_iterations=max_iterations)
    require_generator(where, rng)
    if not 1e-10 <= regularization < 1:
        raise ValueError(f"{where}: regularization must be in [1e-10, 1), got {regularization}")
    if not tolerance >= 0:
        raise ValueError(f"{where}: tolerance must be at least 0, got {tolerance}")
    x = require_matrix(where, "codes", codes, rows=2)
    floor = regularization * covariance_spectrum(codes)[0].item()
    xp = array_module(x)
    if floor == 0:
        raise ValueError(f"{where}: the codes do not vary (all {len(x)} are the same point), so they have no density")

    parameters = _start(x, components, rng, floor)
    history: list[float] = []
    while True:
        joint = _log_joint(x, parameters)
        density = _log_sum_exp(joint)
        history.append(density.sum().item())
        converged = len(history) > 1 and history[-1] - history[-2] <= tolerance * len(x)
        if converged or len(history) > max_iterations:
            break
        parameters = _maximize(x, xp.exp(joint - density[:, None]), parameters, floor)
    weights, means, eigenvalues, eigenvectors = parameters
    factors = eigenvectors * xp.sqrt(eigenvalues)[:, None, :]
    return GaussianMixture(weights, means, factors @ factors.swapaxes(1, 2), tuple(history), converged)


class _Parameters(NamedTuple):
    """Weights (K,), means (K, n), and each covariance as its eigenvalues (K, n) and eigenvectors (K, n, n).

    Kept factored because the floored eigenvalues are then exact: no rounding
    of a small one next to a large one can make the likelihood decrease.
    """

    weights: Array
    means: Array
    eigenvalues: Array
    eigenvectors: Array


def _start(x: Array, components: int, rng: np.random.Generator, floor: float) -> _Parameters:
    """Return the parameters of the clusters that k-means finds, all of them holding at least one point."""
    labels = lloyd(x, kmeans_plus_plus(x, components, rng), _LLOYD_ITERATIONS)
    n, xp = x.shape[1], array_module(x)
    nothing = _Parameters(
        xp.zeros(components), xp.zeros((components, n)), xp.zeros((components, n)), xp.zeros((components, n, n))
    )
    members = (labels[:, None] == np.arange(components)).astype(np.float64)
    return _maximize(x, asarray(members, device_of(x)), nothing, floor)


def _maximize(x: Array, responsibilities: Array, before: _Parameters, floor: float) -> _Parameters:
    """The M-step: the best parameters for `responsibilities` (N, K).

    A component that is left with less than a rounding error of one point
    keeps its mean and covariance from `before`: its own cannot be computed,
    and leaving it where it is cannot lower the likelihood.
    """
    xp, sizes = array_module(x), responsibilities.sum(axis=0)
    _, means, eigenvalues, eigenvectors = (array.copy() for array in before)
    for k in np.flatnonzero(asnumpy(sizes) > np.finfo(np.float64).eps).tolist():
        share = responsibilities[:, k] / sizes[k]
        means[k] = share @ x
        scaled = (x - means[k]) * xp.sqrt(share)[:, None]
        eigenvalues[k], eigenvectors[k] = xp.linalg.eigh(scaled.T @ scaled)
    return _Parameters(sizes / sizes.sum(), means, xp.maximum(eigenvalues, floor), eigenvectors)


def _log_joint(x: Array, parameters: _Parameters) -> Array:
    """Return ln(w_k N(x_i | m_k, C_k)) as (N, K)."""
    xp, (weights, means, eigenvalues, eigenvectors) = array_module(x), parameters
    joint: Array = xp.empty((len(x), len(weights)))
    for k in range(len(weights)):
        white = (x - means[k]) @ (eigenvectors[k] / xp.sqrt(eigenvalues[k]))
        joint[:, k] = xp.square(white).sum(axis=1) + xp.log(2 * np.pi * eigenvalues[k]).sum()
    with np.errstate(divide="ignore"):  # an empty component has weight 0, and its logarithm is rightly -inf
        return xp.log(weights) - joint / 2


def _log_sum_exp(terms: Array) -> Array:
    """Return ln sum_k exp(terms[:, k]), (N,), without overflow: the largest term is taken out first."""
    xp, largest = array_module(terms), terms.max(axis=1)
    total: Array = largest + xp.log(xp.exp(terms - largest[:, None]).sum(axis=1))
    return total
