"""Vector quantisation: each group of entries of a code is replaced by the nearest of K codewords.

A code of n numbers is cut into n/d groups of d, and all groups choose from one
codebook. Choosing has no derivative; what stands in for it is the
straight-through estimate, stated in `VectorQuantizer.__call__`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minirmae.arrays import Array, array_module, asarray, device_of
from minirmae.layers import Backward, Layer
from minirmae.measures.rank import effective_rank
from minirmae.validation import require_cotangent, require_float, require_ndim, require_positive_int

BLOCK = 1 << 22
"""Largest number of distances in memory at a time."""


def nearest(vectors: Array, codebook: Array) -> Array:
    """Index of the codeword nearest to each vector, the first of those equally near.

    Args:
        vectors: shape (G, d).
        codebook: shape (K, d).

    Returns:
        integers, shape (G,).

    As `|v - e|^2 = |v|^2 - 2 v.e + |e|^2` and the first term is the same for all
    codewords, one matrix product of shape (G, K) decides, a block of rows at a time.

    Raises TypeError or ValueError unless both are matrices of one float dtype and width.

    >>> nearest(np.array([[0.9, 0.1], [0.0, -3.0]]), np.array([[0.0, 0.0], [1.0, 0.0]]))
    array([1, 0])
    """
    require_float("nearest", vectors=vectors, codebook=codebook)
    require_ndim("nearest", "vectors", vectors, 2, "(vectors, width)")
    require_ndim("nearest", "codebook", codebook, 2, "(codewords, width)")
    if vectors.shape[1] != codebook.shape[1]:
        raise ValueError(f"nearest: vectors are {vectors.shape[1]} wide, but codewords {codebook.shape[1]}")
    xp = array_module(vectors)
    half_squares = (codebook.real**2).sum(axis=1) / 2
    rows = max(1, BLOCK // len(codebook))
    indices: Array = xp.empty(len(vectors), dtype=xp.intp)
    for start in range(0, len(vectors), rows):
        block = vectors[start : start + rows].real
        indices[start : start + rows] = (half_squares - block @ codebook.real.T).argmin(axis=1)
    return indices


def perplexity(indices: Array, codewords: int) -> float:
    """Return exp(-sum p ln p) of the frequencies p with which `indices` name the `codewords`.

    It is between 1, when one codeword is always chosen, and K, when all are chosen equally often.

    >>> round(perplexity(np.array([[0, 1], [1, 0]]), codewords=8), 12)
    2.0
    """
    require_positive_int("perplexity", codewords=codewords)
    if indices.size == 0 or indices.min() < 0 or indices.max() >= codewords:
        raise ValueError(f"perplexity: indices must lie in [0, {codewords}) and not be empty, got {indices}")
    # The same function of frequencies as the effective rank is of singular values.
    return effective_rank(array_module(indices).bincount(indices.ravel(), minlength=codewords))


class VectorQuantizer(Layer):
    """Quantise codes (N, n) group by group.

    Args:
        n: width of the code.
        codewords: K.
        width: d, the width of a group; divides n.
        rng: source of the initial codewords, uniform in +-1/K.
        moving_average: the codebook is not trained by gradient but follows the vectors that choose it.

    State, in `fixed`: `unused`, the number of steps since each codeword was last
    chosen; with a moving average also `codebook` and its two averages, `counts` and `sums`.

    Raises ValueError if a size is not a positive integer or `width` does not divide `n`.
    """

    def __init__(
        self,
        n: int,
        codewords: int,
        width: int,
        *,
        rng: np.random.Generator,
        moving_average: bool = False,
        dtype: Any = np.float32,
    ) -> None:
        require_positive_int("VectorQuantizer", n=n, codewords=codewords, width=width)
        if n % width:
            raise ValueError(
                f"VectorQuantizer: a code of {n} numbers cannot be cut into groups of {width}; "
                f"choose a width that divides {n}"
            )
        codebook = rng.uniform(-1 / codewords, 1 / codewords, (codewords, width)).astype(dtype)
        state = {"unused": np.zeros(codewords, dtype)}
        if moving_average:
            averages = {"counts": np.ones(codewords, dtype), "sums": codebook.copy()}
            super().__init__(fixed={"codebook": codebook, **averages, **state})
        else:
            super().__init__({"codebook": codebook}, fixed=state)
        self.n, self.codewords, self.width, self.moving_average = n, codewords, width, moving_average

    def __call__(self, h: Array, rng: np.random.Generator | None = None) -> tuple[Array, Backward]:
        """Return the quantised code; its backward is the straight-through estimate `dh = dz`, not a derivative."""
        z = self.lookup(self.indices(h))

        def backward(dz: Array) -> Array:
            require_cotangent("VectorQuantizer backward", dz, z)
            return dz.copy()

        return z, backward

    def groups(self, h: Array) -> Array:
        """The groups (N n/d, d) of codes (N, n)."""
        require_ndim("VectorQuantizer", "h", h, 2, "(batch, n)")
        return h.reshape(-1, self.width)

    def indices(self, h: Array) -> Array:
        """Which codeword each group of the codes h (N, n) chooses, integers (N, n/d)."""
        return nearest(self.groups(h), self.parameters["codebook"].value).reshape(len(h), -1)

    def lookup(self, indices: Array) -> Array:
        """The codes (N, n) made of the codewords that `indices` (N, n/d) name."""
        return self.parameters["codebook"].value[indices].reshape(len(indices), self.n)

    def choices(self, indices: Array) -> Array:
        """Whether each group chooses each codeword, booleans (N n/d, K)."""
        chosen: Array = indices.reshape(-1, 1) == array_module(indices).arange(self.codewords)
        return chosen

    def gather(self, indices: Array, vectors: Array) -> Array:
        """The sum (K, d) over the groups that choose a codeword of their `vectors` (N n/d, d), the adjoint of `lookup`.

        A product, because scattered additions have no fixed order on a GPU: their rounding would vary.
        """
        return self.choices(indices).astype(vectors.dtype).T @ vectors

    def follow(self, h: Array, indices: Array, decay: float) -> None:
        """Move the averages towards the groups of `h`, and each chosen codeword to its average.

        With N_i the moving average of how many groups choose codeword i and m_i that
        of their sum, e_i = m_i / N_i (van den Oord et al. 2017, appendix A.1).
        """
        codebook, counts, sums = (self.parameters[name].value for name in ("codebook", "counts", "sums"))
        xp, chosen = array_module(h), self.choices(indices).sum(axis=0)
        counts[...] = decay * counts + (1 - decay) * chosen
        sums[...] = decay * sums + (1 - decay) * self.gather(indices, self.groups(h))
        # Where no group chose, both averages shrink by one factor; their ratio stays, and is not computed near 0/0.
        used = chosen > 0
        codebook[...] = xp.where(used[:, None], sums / xp.where(used, counts, 1)[:, None], codebook)

    def reseed(self, h: Array, indices: Array, order: Array, after: int) -> None:
        """Replace every codeword that no group has chosen for `after` steps by a group of `h`; 0 means never.

        `order` (K,) lists the groups to use, the first for the first dead codeword and so on.
        """
        xp, unused = array_module(h), self.parameters["unused"].value
        unused[...] = (unused + 1) * ~self.choices(indices).any(axis=0)
        if after == 0:
            return
        dead = unused >= after
        # Dead codeword number i is replaced by group order[i]; what the others would get is not used.
        fresh = self.groups(h)[asarray(order, device_of(h))[xp.maximum(xp.cumsum(dead) - 1, 0)]]
        replaced = {"unused": 0, "codebook": fresh}
        if self.moving_average:
            replaced |= {"counts": 1, "sums": fresh}
        for name, new in replaced.items():
            value = self.parameters[name].value
            value[...] = xp.where(dead[:, None] if value.ndim > 1 else dead, new, value)
