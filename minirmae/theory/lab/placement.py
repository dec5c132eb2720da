"""Where simulations run.

A closed form is a few numbers and is computed on the CPU. Simulations, that is
flows and training runs, can run on any device: inside `simulations_on(device)`
models are moved there, and results come back to the CPU. Losses keep their
constants on the device through `resident`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache

from minirmae.arrays import Array, asarray, device_of
from minirmae.devices import using

_device: ContextVar[str | None] = ContextVar("device of simulations", default=None)


@contextmanager
def simulations_on(device: str) -> Iterator[None]:
    """Run the simulations inside the block on `device`; outside it each runs where its model is.

    Raises DeviceError (a ValueError) if there is no such device, or it cannot be used.
    """
    with using(device) as name:
        token = _device.set(name)
        try:
            yield
        finally:
            _device.reset(token)


def simulation_device(default: str) -> str:
    """Return the device that `simulations_on` chose, or `default` outside of it."""
    return _device.get() or default


def resident(*arrays: Array) -> Callable[[Array], tuple[Array, ...]]:
    """Return a function that returns `arrays` on the device of its argument; they are copied there once.

    >>> import numpy as np
    >>> constants = resident(np.eye(2))
    >>> (identity,) = constants(np.zeros(3))
    """

    @cache
    def on(device: str) -> tuple[Array, ...]:
        return tuple(asarray(array, device) for array in arrays)

    return lambda x: on(device_of(x))
