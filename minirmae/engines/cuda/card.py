"""The GPU, by way of CuPy: memory, copies, launches, and their capture in a CUDA graph.

A launch costs the host some microseconds, more than most kernels of a small
step take on the GPU. A graph of all of them is one launch.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from minirmae import arrays, devices
from minirmae.arrays import Array
from minirmae.engines.cuda.launch import Bound
from minirmae.engines.cuda.modules import function

Replay = Callable[[], None]


class Device(Protocol):
    """What training needs of a GPU; the tests have one that computes on the CPU."""

    def allocate(self, size: int) -> int:
        """Return the address of `size` new bytes, all zero. They live as long as the device does."""
        ...

    def upload(self, address: int, array: Array) -> None:
        """Copy a contiguous host array to an address, once all work given before is done."""
        ...

    def download(self, address: int, array: Array) -> None:
        """Fill a contiguous host array from an address, once all work given before is done; wait for it."""
        ...

    def record(self, launches: Sequence[Bound]) -> Replay:
        """Return a function that starts the launches and does not wait. They may run once during this call."""
        ...


class CudaDevice:
    """A GPU, with two streams of its own.

    Args:
        device: such as "cuda" or "cuda:1".
        precision: of matrix products, "tf32" or "float32"; see `sources.PRECISIONS`.
        capture: whether to make a graph; without one the kernels are launched one by one, with the same bits.

    Raises DeviceError if there is no such device.
    """

    def __init__(self, device: str = "cuda", precision: str = "tf32", *, capture: bool = True) -> None:
        self.precision, self.capture = precision, capture
        self._kept: list[Any] = []
        with devices.using(device) as self.name:
            import cupy

            self._cupy = cupy
            self.number = int(cupy.cuda.Device().id)
            self._lanes = [cupy.cuda.Stream(non_blocking=True) for _ in range(2)]
            self._events: list[Any] = []

    def allocate(self, size: int) -> int:
        """See `Device`. Raises DeviceError, with the sizes, if there is not enough memory."""
        with devices.using(self.name), self._lanes[0]:
            try:
                memory = self._cupy.zeros(size, dtype=self._cupy.uint8)
            except MemoryError as error:
                self._cupy.get_default_memory_pool().free_all_blocks()
                free, total = self._cupy.cuda.runtime.memGetInfo()
                raise arrays.DeviceError(
                    f"{self.name}: a training step needs {size / 2**30:.2f} GiB, but {free / 2**30:.2f} of "
                    f"{total / 2**30:.2f} GiB are free; use a smaller batch or fewer replicas"
                ) from error
            self._lanes[0].synchronize()
        self._kept.append(memory)
        return int(memory.data.ptr)

    def upload(self, address: int, array: Array) -> None:
        """See `Device`."""
        self._copy(address, array.ctypes.data, array.nbytes, self._cupy.cuda.runtime.memcpyHostToDevice)

    def download(self, address: int, array: Array) -> None:
        """See `Device`."""
        self._copy(array.ctypes.data, address, array.nbytes, self._cupy.cuda.runtime.memcpyDeviceToHost)
        self._lanes[0].synchronize()

    def record(self, launches: Sequence[Bound]) -> Replay:
        """See `Device`. Warns once and launches one by one if the driver will not capture."""
        with devices.using(self.name):
            functions = [function(b.launch.kernel, self.precision, b.launch.tile, self.number) for b in launches]

            def launch_all() -> None:
                with devices.using(self.name):
                    self._issue(functions, launches)

            # The first run loads the kernels' code, which must not happen during a capture.
            launch_all()
            self._lanes[0].synchronize()
            graph = self._captured(launch_all) if self.capture else None
        if graph is None:
            return launch_all

        def replay() -> None:
            graph.launch(self._lanes[0])

        return replay

    def _captured(self, launch_all: Replay) -> Any:
        """The graph of what `launch_all` launches; None, with a warning, if the driver does not capture."""
        main = self._lanes[0]
        main.begin_capture()
        try:
            try:
                launch_all()
            finally:
                graph = main.end_capture()
            graph.upload(main)
        except (RuntimeError, ValueError) as error:
            self.capture = False
            warnings.warn(
                f"{self.name}: the training step cannot be captured in a CUDA graph ({error}); "
                "its kernels are launched one by one, which is slower",
                RuntimeWarning,
                stacklevel=2,
            )
            return None
        return graph

    def _issue(self, functions: Sequence[Any], launches: Sequence[Bound]) -> None:
        """Launch everything. Lane 1 waits for what lane 0 was given before; lane 0 waits where a launch joins."""
        main, side = self._lanes
        ahead, forked, waits = True, False, 0
        for kernel, bound in zip(functions, launches, strict=True):
            plan = bound.launch
            if plan.lane == 1:
                if ahead:
                    self._wait(side, main, waits)
                    waits += 1
                ahead, forked = False, True
            else:
                if plan.joins and forked:
                    self._wait(main, side, waits)
                    waits, forked = waits + 1, False
                ahead = True
            with self._lanes[plan.lane]:
                kernel(plan.grid, (plan.block, 1, 1), bound.arguments)

    def _wait(self, waiting: Any, other: Any, number: int) -> None:
        """Let a stream wait for the work that another has been given so far. Each wait of a step has its own event."""
        if number == len(self._events):
            self._events.append(self._cupy.cuda.Event(block=False, disable_timing=True))
        other.record(self._events[number])
        waiting.wait_event(self._events[number])

    def _copy(self, to: int, source: int, size: int, kind: int) -> None:
        with devices.using(self.name):
            self._cupy.cuda.runtime.memcpyAsync(to, source, size, kind, self._lanes[0].ptr)
