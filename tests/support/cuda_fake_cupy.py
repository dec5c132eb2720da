"""A CuPy of the few parts that `minirmae.engines.cuda.card` uses, whose kernels run on the emulator.

A capture keeps launches back until its graph is launched, and takes them only
from streams that were forked into it. Forks and joins go into a log, so that
missing ones are seen; everything runs in the order of launches.
"""

import ctypes
from types import SimpleNamespace

import cuda_emulator
import numpy as np

from minirmae.engines.cuda.launch import Bound, Launch


class OutOfMemoryError(MemoryError):
    """As CuPy's."""


class FakeCupy:
    """One GPU. `log` lists what happened: allocations, launches, forks and joins."""

    uint8 = np.uint8

    def __init__(self, precision="float32", memory=1 << 30, captures=True):
        self.log, self.precision, self.memory, self.captures = [], precision, memory, captures
        self.current, self.capturing, self.graph = None, None, []
        runtime = SimpleNamespace(
            memcpyAsync=self._copy,
            memcpyHostToDevice=1,
            memcpyDeviceToHost=2,
            memGetInfo=lambda: (self.memory, 4 << 30),
        )
        self.cuda = SimpleNamespace(
            Device=lambda: SimpleNamespace(id=0),
            Stream=lambda non_blocking: Stream(self),
            Event=lambda block, disable_timing: Event(),
            runtime=runtime,
        )

    def zeros(self, size, dtype):
        self.log.append(("allocate", size))
        assert self.capturing is None
        if size > self.memory:
            raise OutOfMemoryError("out of memory")
        # CuPy's blocks are aligned.
        array = np.zeros(size + 256, dtype)
        return SimpleNamespace(data=SimpleNamespace(ptr=-(-array.ctypes.data // 256) * 256), kept=array)

    def get_default_memory_pool(self):
        return SimpleNamespace(free_all_blocks=lambda: self.log.append(("free",)))

    def kernel(self, name, tile):
        """The function that a launch calls."""

        def call(grid, block, arguments):
            launch = Bound(Launch(name, grid, block[0], (), tile), arguments)
            stream = self.current
            self.log.append(("launch", name, stream.number))
            if self.capturing is None:
                cuda_emulator.launch(launch, self.precision)
            else:
                assert stream.captured, "a stream took part in a capture that it had not been forked into"
                self.graph.append(launch)

        return call

    def _copy(self, to, source, size, kind, stream):
        assert self.capturing is None, "a copy between host and device during a capture"
        ctypes.memmove(to, source, size)


class Event:
    """A place in a stream."""

    captured = False


class Stream:
    """Launches in order."""

    count = 0

    def __init__(self, cupy):
        self.cupy, self.captured = cupy, False
        self.number, Stream.count = Stream.count % 2, Stream.count + 1
        self.ptr = 1000 + self.number

    def __enter__(self):
        self.before, self.cupy.current = self.cupy.current, self

    def __exit__(self, *error):
        self.cupy.current = self.before

    def synchronize(self):
        assert self.cupy.capturing is None

    def record(self, event):
        event.captured, event.source = self.captured, self

    def wait_event(self, event):
        self.cupy.log.append(("wait", self.number, event.source.number))
        self.captured = self.captured or event.captured

    def begin_capture(self):
        self.cupy.capturing, self.captured, self.cupy.graph = self, True, []

    def end_capture(self):
        cupy = self.cupy
        cupy.capturing, self.captured = None, False
        if not cupy.captures:
            raise RuntimeError("operation not permitted when stream is capturing")
        launches = tuple(cupy.graph)

        def launch(stream):
            cupy.log.append(("graph", len(launches)))
            for bound in launches:
                cuda_emulator.launch(bound, cupy.precision)

        return SimpleNamespace(launch=launch, upload=lambda stream: None)
