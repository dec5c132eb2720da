"""Matrix completion as a problem: a matrix, the entries of it that are seen, and the loss they define."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minirmae.arrays import Array, array_module
from minirmae.theory.lab.networks import EndToEndLoss
from minirmae.theory.lab.placement import resident
from minirmae.validation import require_positive_int


@dataclass(frozen=True)
class CompletionProblem:
    """Entries of a matrix, some of them observed.

    Attributes:
        matrix: (outputs, inputs), the whole truth.
        observed: (outputs, inputs), booleans: what training sees.
    """

    matrix: Array
    observed: Array

    def loss(self) -> EndToEndLoss:
        """Return `W -> (L, G)`, `L = |W - matrix|^2 / 2` over the observed entries, and `G = W - matrix` there."""

        constants = resident(self.observed, self.matrix)

        def loss(W: Array) -> tuple[float, Array]:
            observed, matrix = constants(W)
            G = array_module(W).where(observed, W - matrix, 0.0)
            return (G * G).sum().item() / 2, G

        return loss

    def unobserved_error(self, W: Array) -> float:
        """Return `|W - matrix| / |matrix|` over the entries that were not observed."""
        unseen = ~self.observed
        return float(np.linalg.norm((W - self.matrix)[unseen]) / np.linalg.norm(self.matrix[unseen]))


def random_completion(rng: np.random.Generator, size: int, rank: int, observed: int) -> CompletionProblem:
    """Return a square problem: a product of Gaussian factors, of Frobenius norm `size`, seen at uniform places.

    Raises ValueError unless `rank <= size` and `observed < size^2`.
    """
    where = "random_completion"
    require_positive_int(where, size=size, rank=rank, observed=observed)
    if rank > size or observed >= size * size:
        raise ValueError(f"{where}: expected rank <= {size} and observed < {size * size}, got {rank} and {observed}")
    matrix = rng.standard_normal((size, rank)) @ rng.standard_normal((rank, size))
    mask = np.zeros(size * size, dtype=bool)
    mask[rng.permutation(size * size)[:observed]] = True
    return CompletionProblem(matrix * (size / np.linalg.norm(matrix)), mask.reshape(size, size))
