"""Launches as data."""

import numpy as np
import pytest

from minirmae.engines.cuda.launch import Buffer, Launch, int32


def test_buffers_and_their_parts():
    buffer = Buffer("a", (4, 6), "float64")
    part = buffer.part(7, (2, 2))
    assert (buffer.size, buffer.end, part.start, part.end, part.dtype) == (24, 192, 56, 88, "float64")


def test_fours_need_length_and_alignment():
    buffer = Buffer("a", (100,))
    assert buffer.fours(8) == 1
    assert buffer.fours(6) == 0
    assert buffer.part(4, (8,)).fours(8) == 1
    assert buffer.part(3, (8,)).fours(8) == 0
    assert buffer.fours(8).dtype == np.int32


def test_limits_are_errors():
    with pytest.raises(ValueError, match=r"k would need a grid of \(1, 1, 70000\) blocks.*fewer replicas"):
        Launch("k", (1, 1, 70000), 32, ())
    with pytest.raises(ValueError, match=r"gather: values is 2147483648, more than a kernel can count"):
        int32("gather", values=2**31)
