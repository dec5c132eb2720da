import numpy as np
import pytest

from minirmae.engines.cuda.launch import Buffer, Launch, int32
from minirmae.engines.cuda.layout import ALIGNMENT, lay_out


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


def test_a_layout_overlaps_nothing_and_is_aligned():
    buffers = [Buffer("a", (5,)), Buffer("b", (100,), "uint32"), Buffer("a", (70,)), Buffer("c", (1,), "float64")]
    layout = lay_out([*buffers, Buffer("out", (9,))], outside=("out",))
    taken = np.zeros(layout.bytes, int)
    for buffer in buffers[1:]:
        start = layout.offset(buffer)
        assert start % ALIGNMENT == 0
        taken[start : start + buffer.end - buffer.start] += 1
    assert taken.max() == 1
    assert "out" not in layout.offsets
    assert layout.bytes % ALIGNMENT == 0


def test_binding_gives_addresses():
    layout = lay_out([Buffer("a", (100,)), Buffer("b", (4,))])
    launch = Launch("k", (1, 1, 1), 32, (Buffer("b", (4,)).part(2, (1,)), None, Buffer("x", (1,)), np.float32(2)))
    bound = layout.bind(launch, 1000, {"x": 7})
    assert bound.arguments == (1000 + 512 + 8, 0, 7, 2, layout.bytes)
    assert [str(a.dtype) for a in bound.arguments] == ["uint64", "uint64", "uint64", "float32", "int64"]


def test_limits_are_errors():
    with pytest.raises(ValueError, match=r"k would need a grid of \(1, 1, 70000\) blocks.*fewer replicas"):
        Launch("k", (1, 1, 70000), 32, ())
    with pytest.raises(ValueError, match=r"gather: values is 2147483648, more than a kernel can count"):
        int32("gather", values=2**31)
