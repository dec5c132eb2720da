"""Where buffers lie: each replica has an arena of named memory; arenas are alike and lie one after the other.

A name gets the size of its largest buffer, so plans for two batch sizes share
one arena. Offsets are fixed before anything runs: addresses never
change and nothing is allocated later.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from minirmae.engines.cuda.launch import Bound, Buffer, Launch

ALIGNMENT = 256


@dataclass(frozen=True)
class Layout:
    """Offsets in bytes by name, and the size of one arena."""

    offsets: Mapping[str, int]
    bytes: int

    def offset(self, buffer: Buffer) -> int:
        """Return the first byte of `buffer` in an arena."""
        return self.offsets[buffer.name] + buffer.start

    def bind(self, launch: Launch, base: int, outside: Mapping[str, int]) -> Bound:
        """Return `launch` with addresses: of the first arena, which starts at `base`, or of memory `outside` it."""

        def address(buffer: Buffer) -> int:
            if buffer.name in outside:
                return outside[buffer.name] + buffer.start
            return base + self.offset(buffer)

        arguments = [
            np.uint64(0) if a is None else np.uint64(address(a)) if isinstance(a, Buffer) else a
            for a in launch.arguments
        ]
        return Bound(launch, (*arguments, np.int64(self.bytes)))


def lay_out(buffers: Iterable[Buffer], outside: Iterable[str] = ()) -> Layout:
    """Return the layout of an arena that holds `buffers`, in the order of their names' first use.

    >>> layout = lay_out([Buffer("a", (3,)), Buffer("b", (2, 2)), Buffer("a", (100,))])
    >>> dict(layout.offsets), layout.bytes
    ({'a': 0, 'b': 512}, 768)
    """
    sizes: dict[str, int] = {}
    for buffer in buffers:
        if buffer.name not in outside:
            sizes[buffer.name] = max(sizes.get(buffer.name, 0), buffer.end)
    offsets, total = {}, 0
    for name, size in sizes.items():
        offsets[name] = total
        total += -(-size // ALIGNMENT) * ALIGNMENT
    return Layout(offsets, total)
