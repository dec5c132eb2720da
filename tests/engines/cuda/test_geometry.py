"""The sizes of a convolution, and the pixels and taps of its phases, in NumPy."""

import itertools

import numpy as np
import pytest
from cuda_parity import GEOMETRIES

from minirmae.engines.cuda.geometry import Geometry


@pytest.mark.parametrize("g", [*GEOMETRIES, Geometry(2, (5, 4), 1, (2, 2), 1, (3, 3), (0, 1))], ids=str)
def test_phases_cover_the_input_once(g):
    """The rows of conv_input_gradient: all phases together are all input pixels, and their taps all products."""
    seen = np.zeros((g.images, *g.size), int)
    products = 0
    for phase in range(g.stride[0] * g.stride[1]):
        first, counts, taps = [], [], []
        for axis, k0 in enumerate(divmod(phase, g.stride[1])):
            S, P, K, H = g.stride[axis], g.padding[axis], g.kernel[axis], g.size[axis]
            first.append((k0 - P) % S)
            counts.append(max(0, -(-(H - first[-1]) // S)))
            taps.append(max(0, -(-(K - k0) // S)))
        assert g.images * counts[0] * counts[1] <= g.phase_rows()
        assert taps[0] * taps[1] * g.outputs <= g.phase_taps()
        for n, i, j in itertools.product(range(g.images), range(counts[0]), range(counts[1])):
            h, w = first[0] + g.stride[0] * i, first[1] + g.stride[1] * j
            seen[n, h, w] += 1
            for t, u in itertools.product(range(taps[0]), range(taps[1])):
                y = (h + g.padding[0] - phase // g.stride[1]) // g.stride[0] - t
                x = (w + g.padding[1] - phase % g.stride[1]) // g.stride[1] - u
                products += 0 <= y < g.output_size[0] and 0 <= x < g.output_size[1]
    assert (seen == 1).all()
    inside = [
        sum(0 <= i * S - P + k < H for i in range(O) for k in range(K))
        for S, P, K, H, O in zip(g.stride, g.padding, g.kernel, g.size, g.output_size, strict=True)
    ]
    assert products == g.images * inside[0] * inside[1]


def test_a_batch_too_large_to_count_is_an_error():
    with pytest.raises(ValueError, match=r"convolution: pixels is .*, more than a kernel can count; use smaller"):
        Geometry(2**20, (64, 64), 3, (4, 4), 8).numbers()
