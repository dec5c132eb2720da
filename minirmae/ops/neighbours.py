"""Sums and differences of neighbours in images, along the flat array.

NumPy adds whole contiguous arrays several times faster than parts of them. So
these work on the flat array, over the ends of rows and of images too, and then
mend the ends. Arrays are contiguous and seen as (outer, length, step).
"""

from __future__ import annotations

from typing import Any

from minirmae.backend import Array, array_module


def rows(images: Array) -> Array:
    """Images as (outer, length, step) where the length counts rows."""
    n, H, W, C = images.shape
    return images.reshape(n, H, W * C)


def columns(images: Array) -> Array:
    """Images as (outer, length, step) where the length counts columns."""
    n, H, W, C = images.shape
    return images.reshape(n * H, W, C)


def difference(a: Array, out: Array) -> None:
    """out[:, i] = a[:, i + 1] - a[:, i - 1] for contiguous a, out (outer, length, step); zero lies outside."""
    xp, step, flat = array_module(a), a.shape[2], a.reshape(-1)
    xp.subtract(flat[2 * step :], flat[: -2 * step], out=out.reshape(-1)[step:-step])
    out[:, 0] = a[:, 1]
    # Not `negative`: NumPy 2.4's is wrong where input and output both are strided.
    xp.multiply(a[:, -2], -1, out=out[:, -1])


def difference_adjoint(a: Array, out: Array) -> None:
    """out[:, i] = a[:, i - 1] - a[:, i + 1], likewise."""
    xp, step, flat = array_module(a), a.shape[2], a.reshape(-1)
    xp.subtract(flat[: -2 * step], flat[2 * step :], out=out.reshape(-1)[step:-step])
    xp.multiply(a[:, 1], -1, out=out[:, 0])
    out[:, -1] = a[:, -2]


def next_sum(a: Array, out: Array) -> None:
    """out[:, i] = a[:, i] + a[:, i + 1], likewise; the last i is of no use."""
    step, flat = a.shape[2], a.reshape(-1)
    array_module(a).add(flat[:-step], flat[step:], out=out.reshape(-1)[:-step])
    out[-1, -1] = 0


def pair_sums(a: Array, out: Array, first: Any = None) -> None:
    """out[0] = a[0] + a[1], or `first(a[1], a[0])`; out[1] = a[1] + a[2]."""
    xp = array_module(a)
    (first or xp.add)(a[1], a[0], out=out[0])
    xp.add(a[1], a[2], out=out[1])
