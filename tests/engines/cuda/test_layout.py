"""Where buffers lie in an arena."""

import numpy as np

from minirmae.engines.cuda.launch import Buffer, Launch
from minirmae.engines.cuda.layout import ALIGNMENT, lay_out


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
