"""How fast a training step is, where its time goes, and how close that is to what the machine can do."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from minirmae.arrays import Array, asarray
from minirmae.data import ArrayDataset, Dataset, DeviceDataset
from minirmae.devices import wait_for
from minirmae.engine import prepared, training_step
from minirmae.layers import Conv2d, ConvTranspose2d, Layer, Linear, LinearStack, Shape
from minirmae.models.autoencoder import PRESETS, Autoencoder, ModelConfig, build
from minirmae.objectives import reconstruction
from minirmae.ops import mean_squared_error
from minirmae.optimizers import Adam

_ROUND = 16


@dataclass(frozen=True)
class Timing:
    """A training step at one batch size, taken in one way.

    Attributes:
        batch, workers: the setting.
        step: "op by op", or on a GPU the precision of a captured one.
        seconds: median time of a step.
        images_per_second: of training.
        gflops: plain multiply-add count of the step over its time, in 10^9 operations a second.
        peak: fraction of the product rate measured in the same run (see `product_rate`).
        parts: median seconds of each part of one worker's share, taken alone: data, each layer's forward and
            backward, loss, zeroed gradients, optimizer (of its stretch of the parameters). Empty for a
            captured step.
    """

    batch: int
    workers: int
    seconds: float
    images_per_second: float
    gflops: float
    peak: float
    parts: dict[str, float]
    step: str = "op by op"

    def to_json(self) -> dict[str, Any]:
        """The fields as a dict that `json.dumps` takes."""
        return asdict(self)


def measure(
    config: ModelConfig,
    batch: int,
    workers: int,
    *,
    repeats: int = 15,
    dtype: Any = np.float32,
    seed: int = 0,
    device: str = "cpu",
    engine: str = "fast",
) -> Timing:
    """Time `repeats` training steps of an engine on random images: forward, backward and Adam.

    On a GPU the images are there already, and every part is waited for.

    Raises ValueError if a number is out of range or the device cannot be used.
    """
    rate = product_rate(workers, dtype, device=device)
    rng = np.random.default_rng(seed)
    model = build(config, rng, dtype).to(device)
    images = rng.integers(0, 256, (batch, *PRESETS[config.preset].image), dtype=np.uint8)
    data = _on_device(images, device)
    indices = np.arange(batch)
    with training_step(model, reconstruction, Adam(1e-4), engine=engine, workers=workers) as step:

        def run() -> None:
            step(data.batch(indices, model.dtype), rng)

        for _ in range(3):
            run()
        seconds = median(_seconds(run, device) for _ in range(repeats))
    gflops = 3 * batch * forward_operations(model, PRESETS[config.preset].image) / seconds / 1e9
    share = _on_device(images[: max(1, batch // workers)], device)
    parts = _Parts(prepared(model, engine), share, Adam(1e-4), len(model.values) // workers)
    with _as_one_of(workers):
        for _ in range(3):
            parts.run()
        parts.times.clear()
        for _ in range(repeats):
            parts.run()
    medians = {name: median(values) for name, values in parts.times.items()}
    return Timing(batch, workers, seconds, batch / seconds, gflops, gflops / rate, medians)


def measure_captured(
    config: ModelConfig, batch: int, precision: str, *, repeats: int = 15, seed: int = 0, device: str = "cuda"
) -> Timing:
    """Time `repeats` rounds of captured training steps on random images, on a GPU; losses are read back every round.

    Raises DeviceError if there is no such card or its memory does not suffice.
    """
    # With a card only.
    from minirmae.engines.cuda.replicas import Replicas

    rate = product_rate(device=device)
    rng = np.random.default_rng(seed)
    model = build(config, rng, np.float32).to(device)
    images = ArrayDataset(rng.integers(0, 256, (batch, *PRESETS[config.preset].image), dtype=np.uint8))
    replicas = Replicas([model], [images], [Adam(1e-4)], batch_size=batch, seeds=[seed], precision=precision)
    replicas.run(_ROUND)
    seconds = median(_seconds(lambda: replicas.run(_ROUND), device) / _ROUND for _ in range(repeats))
    gflops = 3 * batch * forward_operations(model, PRESETS[config.preset].image) / seconds / 1e9
    return Timing(batch, 1, seconds, batch / seconds, gflops, gflops / rate, {}, precision)


def product_rate(workers: int = 1, dtype: Any = np.float32, size: int = 2048, device: str = "cpu") -> float:
    """Rate of a large matrix product in 10^9 operations a second, on a GPU or by `workers` processes side by side.

    One worker uses as many threads as BLAS does by itself.
    """
    rng = np.random.default_rng(0)
    a, b = (asarray(rng.random((size, size)).astype(dtype), device) for _ in range(2))
    if workers == 1:
        return 2 * size**3 / min(_seconds(lambda: (a @ b)[0, 0], device) for _ in range(4)) / 1e9
    from minirmae.engines.cpu.parallel import Team

    with Team(workers, lambda rank, message: (a @ b)[0, 0]) as team:
        return workers * 2 * size**3 / min(_seconds(lambda: team.run([None] * workers), device) for _ in range(4)) / 1e9


def _as_one_of(workers: int) -> AbstractContextManager[None]:
    """BLAS as one of several workers has it: with one thread."""
    if workers == 1:
        return nullcontext()
    from minirmae.engines.cpu import blas

    return blas.one_thread()


def forward_operations(model: Layer, shape: Shape) -> int:
    """Multiplications and additions of one image's forward; training takes three times as many.

    The plain count: every kernel entry at every pixel, without those that meet padding.
    """
    operations = 0
    for layer, inputs in _leaves(model, shape):
        outputs = layer.output_shape(inputs)
        if isinstance(layer, Linear):
            operations += 2 * layer.parameters["W"].size
        elif isinstance(layer, LinearStack):
            operations += 2 * layer.layers * layer.n**2
        elif isinstance(layer, (Conv2d, ConvTranspose2d)):
            big, small = (inputs, outputs) if isinstance(layer, Conv2d) else (outputs, inputs)
            sides = zip(big, small, layer.kernel, layer.options["stride"], layer.options["padding"], strict=False)
            operations += 2 * big[2] * small[2] * math.prod(_products(*side) for side in sides)
    return operations


def _products(big: int, small: int, kernel: int, stride: int, padding: int) -> int:
    """Pairs of an output and a kernel entry, along one axis, that meet a pixel of the image."""
    return sum(0 <= i * stride + k - padding < big for i in range(small) for k in range(kernel))


def peak_memory(process: int | str = "self") -> int | None:
    """Largest resident memory of a process so far in bytes, shared memory included; None where nothing says."""
    # Not getrusage: its maximum survives an exec, so a child would report its parent's.
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return None
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


def _on_device(images: Array, device: str) -> Dataset:
    data = ArrayDataset(images)
    return data if device == "cpu" else DeviceDataset(data, device)


class _Parts:
    """A training step taken apart: every part is called as the model would, and clocked."""

    def __init__(self, model: Autoencoder, dataset: Dataset, optimizer: Adam, updated: int) -> None:
        self.model, self.dataset, self.optimizer, self.updated = model, dataset, optimizer, updated
        self.leaves = [(name, layer) for name, layer in _named_leaves(model)]
        self.times: dict[str, list[float]] = {}

    def run(self) -> None:
        x = self._clocked("data", lambda: self.dataset.batch(np.arange(len(self.dataset)), self.model.dtype))
        y, backwards = x, []
        for name, layer in self.leaves:
            y, backward = self._clocked(f"{name} forward", functools.partial(layer, y))
            backwards.append((name, backward))
        _, loss_backward = self._clocked("loss", lambda: mean_squared_error(y, x))
        dy: Array = loss_backward()
        self._clocked("zero gradients", self.model.zero_grads)
        for name, backward in reversed(backwards):
            dy = self._clocked(f"{name} backward", functools.partial(backward, dy))
        values, grads = self.model.values[: self.updated], self.model.grads[: self.updated]
        self._clocked("optimizer", lambda: self.optimizer.step(values, grads))

    def _clocked(self, name: str, function: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = function()
        wait_for(self.model.device)
        self.times.setdefault(name, []).append(time.perf_counter() - start)
        return result


def _named_leaves(layer: Layer, path: str = "") -> Iterator[tuple[str, Layer]]:
    """Layers without children, in the order of the forward, with their paths."""
    if not layer.children:
        yield f"{path} {type(layer).__name__}".strip(), layer
    for name, child in layer.children.items():
        yield from _named_leaves(child, f"{path}.{name}" if path else name)


def _leaves(layer: Layer, shape: Shape) -> Iterator[tuple[Layer, Shape]]:
    """Layers without children, with the shape of their input."""
    for _, leaf in _named_leaves(layer):
        yield leaf, shape
        shape = leaf.output_shape(shape)


def _seconds(function: Callable[[], Any], device: str) -> float:
    start = time.perf_counter()
    function()
    wait_for(device)
    return time.perf_counter() - start
