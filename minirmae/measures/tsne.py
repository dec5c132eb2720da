"""t-SNE: a map of points on which neighbours stay neighbours.

The map's points y have affinities with the heavy tail of Student's t,

    w_ij = 1 / (1 + |y_i - y_j|^2),   q_ij = w_ij / sum_{k != l} w_kl,

and are moved until these match the affinities p_ij of the data: gradient
descent on the divergence C = sum_ij p_ij ln(p_ij / q_ij), with

    dC/dy_i = 4 sum_j (p_ij - q_ij) w_ij (y_i - y_j).

Van der Maaten and Hinton 2008, "Visualizing data using t-SNE", equations 4 and
5. The gradient is exact: every pair counts, so the cost of a step grows with
N^2. What the map shows is which points are neighbours (see `trustworthiness`);
distances between far groups, their sizes and their densities mean little.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from minirmae.arrays import Array
from minirmae.measures.affinities import joint_affinities
from minirmae.measures.codes import require_generator, require_matrix
from minirmae.measures.distances import distance_blocks
from minirmae.measures.sampling import principal_components
from minirmae.validation import require_choice, require_int, require_positive_int, require_shape

_SWITCH = 250  # iteration from which the momentum is the larger one
_MOMENTA = (0.5, 0.8)
_START = 1e-2  # standard deviation of the first map
_REPORT_EVERY = 50
_LEAST_GAIN = 0.01

Progress = Callable[[int, float], None]
"""Called with the number of iterations done and the divergence in nats."""


@dataclass(frozen=True)
class Map:
    """A map of N points.

    Attributes:
        points: (N, dimensions), float64, centred.
        divergence: of the affinities of the map from those of the data, in nats.
    """

    points: Array
    divergence: float


def map_divergence(p: Array, y: Array) -> tuple[Array, Callable[[float], Array]]:
    """Return C, the divergence of the map `y` (N, m) from the affinities `p` (N, N), and its backward.

    `backward(dloss)` returns the gradient with respect to `y`; `p` is data and gets none.

    >>> y = np.array([[0.0], [1.0], [2.0]])
    >>> p = (np.ones((3, 3)) - np.eye(3)) / 6
    >>> loss, backward = map_divergence(p, y)
    >>> round(float(loss), 4), backward(1.0).ravel().round(4)
    (0.0823, array([-0.05,  0.  ,  0.05]))
    """
    p = p.astype(y.real.dtype)
    loss, total = y.dtype.type(0), y.dtype.type(0)
    for rows, w in _weight_blocks(y):
        near = p[rows] > 0
        loss += (p[rows][near] * np.log(p[rows][near] / w[near])).sum()
        total += w.sum()
    loss += p.sum() * np.log(total)

    def backward(dloss: float = 1.0) -> Array:
        return dloss * _gradient(p, y)

    return loss, backward


def tsne(
    x: Array,
    *,
    rng: np.random.Generator,
    dimensions: int = 2,
    perplexity: float = 30.0,
    iterations: int = 1000,
    learning_rate: float | None = None,
    exaggeration: float = 4.0,
    exaggerated: int = 50,
    start: str | Array = "pca",
    progress: Progress | None = None,
) -> Map:
    """Return a map of the rows of `x` (N, d).

    Args:
        x: the points, such as codes.
        rng: the source of the start; equal generators give equal maps.
        dimensions: of the map.
        perplexity: effective number of neighbours of a point.
        iterations: steps of gradient descent, with momentum 0.5 and from step 250 on 0.8.
        learning_rate: None is 100, the paper's, but N / 2 below 200 points, where 100 makes the map diverge.
            Each coordinate also has a gain, which grows by 0.2 while the coordinate keeps its direction
            and shrinks by a fifth when it turns (Jacobs 1988).
        exaggeration: factor of p during the first `exaggerated` steps, which
            lets groups gather before they are pushed apart.
        start: "pca" begins with the principal components of `x`, shrunk, with a
            little noise to separate equal points; "random" begins with noise alone; an
            array (N, dimensions) is the first map itself.
        progress: called every 50 iterations and at the end.

    The defaults are the paper's, except for the start, which is noise there,
    and the perplexity, 40 there.

    Raises TypeError or ValueError for points that `joint_affinities` refuses, or an option out of range.

    >>> rng = np.random.default_rng(0)
    >>> x = np.concatenate([rng.normal(-9, 1, (20, 5)), rng.normal(9, 1, (20, 5))])
    >>> y = tsne(x, rng=rng, perplexity=5, iterations=200).points
    >>> first, second = y[:20], y[20:]
    >>> bool(np.ptp(first, axis=0).max() < np.linalg.norm(first.mean(axis=0) - second.mean(axis=0)))
    True
    """
    where = "tsne"
    require_positive_int(where, dimensions=dimensions, iterations=iterations)
    require_int(where, "exaggerated", exaggerated, 0)
    require_generator(where, rng)
    y = _start_map(require_matrix(where, "x", x, rows=3), dimensions, start, rng)
    if learning_rate is None:
        learning_rate = min(100.0, len(y) / 2)
    if not 0 < learning_rate < np.inf:
        raise ValueError(f"{where}: learning_rate must be a positive number, got {learning_rate!r}")
    if not 1 <= exaggeration < np.inf:
        raise ValueError(f"{where}: exaggeration must be a number of at least 1, got {exaggeration!r}")
    p = joint_affinities(x, perplexity)
    gains, step = np.ones_like(y), np.zeros_like(y)
    for done in range(iterations):
        factor = exaggeration if done < exaggerated else 1.0
        dy = _gradient(p, y, factor)
        gains = np.maximum(np.where(dy * step < 0, gains + 0.2, gains * 0.8), _LEAST_GAIN)
        step = _MOMENTA[done >= _SWITCH] * step - learning_rate * gains * dy
        y = y + step
        y -= y.mean(axis=0)
        if progress is not None and (done + 1) % _REPORT_EVERY == 0 and done + 1 < iterations:
            progress(done + 1, float(map_divergence(p, y)[0]))
    if not np.isfinite(y).all():
        raise ValueError(f"{where}: the map has diverged; lower the learning rate, got {learning_rate:g}")
    final = float(map_divergence(p, y)[0])
    if progress is not None:
        progress(iterations, final)
    return Map(y, final)


def _weight_blocks(y: Array) -> Iterator[tuple[slice, Array]]:
    """Yield slices of the rows of `y` with their w_ij (rows, N), 0 where i = j."""
    for rows, w in distance_blocks(y):
        w += 1
        np.divide(1, w, out=w)
        here = np.arange(len(w))
        w[here, rows.start + here] = 0
        yield rows, w


def _gradient(p: Array, y: Array, exaggeration: float = 1.0) -> Array:
    """dC/dy with p times `exaggeration`, as the sum of p_ij w_ij, which pulls, and -w_ij^2 / sum w, which pushes.

    For either force f, the sum over j of f_ij (y_i - y_j) is y_i sum_j f_ij - sum_j f_ij y_j.
    """
    pull, push, total = np.empty_like(y), np.empty_like(y), y.dtype.type(0)
    for rows, w in _weight_blocks(y):
        total += w.sum()
        for force, f in ((pull, p[rows] * w), (push, w * w)):
            force[rows] = f.sum(axis=1)[:, None] * y[rows] - f @ y
    return 4 * (exaggeration * pull - push / total)


def _start_map(x: Array, dimensions: int, start: str | Array, rng: np.random.Generator) -> Array:
    if not isinstance(start, str):
        y = require_matrix("tsne", "start", start)
        require_shape("tsne", "start", y, (len(x), dimensions))
        return y
    require_choice("tsne", "start", start, ("pca", "random"))
    noise: Array = _START * rng.standard_normal((len(x), dimensions))
    if start == "random":
        return noise
    mean, directions, std = principal_components(x, min(dimensions, x.shape[1]))
    y = noise / 100
    if std[0] > 0:
        y[:, : len(std)] += (x - mean) @ directions.T * (_START / std[0])
    return y
