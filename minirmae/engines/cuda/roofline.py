"""What a training step costs, counted: arithmetic and memory traffic of every kernel.

Traffic is what must move if every operand is read once and every result
written once; caches can make it less, tiles that overlap make it more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from minirmae.engines.cuda.launch import Buffer, Launch
from minirmae.engines.cuda.network import stage_specs
from minirmae.engines.cuda.plan import StepPlan
from minirmae.layers import Layer


@dataclass(frozen=True)
class Cost:
    """All launches of one kernel in a step: their number, arithmetic and bytes."""

    kernel: str
    launches: int
    flops: int
    bytes: int


def step_launches(model: Layer, image: tuple[int, ...], batch_size: int, replicas: int = 1) -> tuple[Launch, ...]:
    """Return the launches of a training step with Adam, for images of the shape `image`."""
    plan = StepPlan(
        stages=stage_specs(model, image),
        trained=model.values.size,
        fixed=model.fixed.size,
        images=Buffer("images", (batch_size, *image), "uint8"),
        batch_size=batch_size,
        loss="mean_squared_error",
        adam={"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
        replicas=replicas,
    )
    return plan.launches(batch_size)


def costs(launches: Iterable[Launch]) -> tuple[Cost, ...]:
    """Return the costs by kernel, the most arithmetic first."""
    by_kernel: dict[str, list[Launch]] = {}
    for launch in launches:
        by_kernel.setdefault(launch.kernel, []).append(launch)
    rows = [
        Cost(kernel, len(group), sum(one.flops for one in group), sum(one.bytes for one in group))
        for kernel, group in by_kernel.items()
    ]
    return tuple(sorted(rows, key=lambda row: -row.flops))


def table(launches: Iterable[Launch]) -> str:
    """Return the costs as a Markdown table, with flops per byte: whether memory or arithmetic bounds a kernel."""
    rows = costs(launches)
    rows = (*rows, Cost("all", *(sum(getattr(r, name) for r in rows) for name in ("launches", "flops", "bytes"))))
    lines = ["| kernel | launches | GFLOP | MB | flop/byte |", "|---|---|---|---|---|"]
    for row in rows:
        numbers = f"{row.flops / 1e9:.3f} | {row.bytes / 1e6:.1f} | {row.flops / row.bytes:.1f}"
        lines.append(f"| {row.kernel} | {row.launches} | {numbers} |")
    return "\n".join(lines)
