"""`minirmae bench`: the speed of a training step on this machine."""

from __future__ import annotations

import argparse

from minirmae.commands.options import add_device
from minirmae.commands.outcome import Outcome
from minirmae.commands.status import StatusLine
from minirmae.models.autoencoder import PRESETS, ModelConfig

HELP = "time a training step, part by part, against this machine's matrix product"
EXAMPLE = "minirmae bench --preset mnist --batch-size 32 128 --workers 1 2"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the model and the settings."""
    parser.add_argument("--preset", choices=tuple(PRESETS), default="mnist", help="default: mnist")
    parser.add_argument("--linear-layers", type=int, metavar="L", help="default: the paper's")
    parser.add_argument("--latent", type=int, help="default: the paper's")
    parser.add_argument("--batch-size", type=int, nargs="+", default=[32, 128], help="default: 32 128")
    parser.add_argument("--workers", type=int, nargs="+", help="processes that share a batch (default: as in training)")
    parser.add_argument("--repeats", type=int, default=15, help="timed steps, of which the median counts (default: 15)")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32", help="default: float32")
    add_device(parser)
    parser.add_argument("--seed", type=int, default=0, help="of weights and images (default: 0)")


def run(args: argparse.Namespace) -> Outcome:
    """Time every setting, and tabulate."""
    from minirmae.commands.info import machine
    from minirmae.devices import require_device
    from minirmae.engine import default_workers
    from minirmae.report.benchmark import measure, measure_captured, peak_memory
    from minirmae.report.page import Table
    from minirmae.validation import require_positive_int

    require_positive_int("bench", repeats=args.repeats, **{f"batch-size {b}": b for b in args.batch_size})
    config, device = ModelConfig.paper(args.preset, args.latent, args.linear_layers), require_device(args.device)
    timings = []
    options = {"repeats": args.repeats, "dtype": args.dtype, "seed": args.seed, "device": device}
    with StatusLine() as status:
        for batch in args.batch_size:
            for workers in args.workers or [default_workers(batch) if device == "cpu" else 1]:
                status.show(f"{args.preset}, batch {batch}, {workers} workers")
                timings.append(measure(config, batch, workers, **options))
            for precision in ("tf32", "float32") if device != "cpu" and args.dtype == "float32" else ():
                status.show(f"{args.preset}, batch {batch}, captured, {precision}")
                captured = {"repeats": args.repeats, "seed": args.seed, "device": device}
                timings.append(measure_captured(config, batch, precision, **captured))
    memory = peak_memory()
    rows = [
        (str(t.batch), str(t.workers), t.step if t.step == "op by op" else f"captured, {t.step}",
         f"{1e3 * t.seconds:.3g}", f"{t.images_per_second:,.0f}", f"{t.gflops:.0f}", f"{t.peak:.0%}") for t in timings
    ]  # fmt: skip
    columns = ("batch", "workers", "step", "ms a step", "images/s", "GFLOP/s (plain count)", "of the product rate")
    parts = [_parts(t.parts, f"batch {t.batch}, {t.workers} workers") for t in timings if t.parts]
    lines = [
        f"{args.preset}, n = {config.latent}, l = {config.linear_layers}, {args.dtype}, {device}: {machine()}",
        Table(columns, rows).text(),
        *parts,
        f"peak memory of this process: {'unknown' if memory is None else f'{memory / 2**20:.0f} MiB'}",
    ]
    result = {
        "model": vars(config),
        "machine": machine(),
        "device": device,
        "dtype": args.dtype,
        "timings": [t.to_json() for t in timings],
        "peak_memory_bytes": memory,
    }
    return Outcome(result, "\n\n".join(lines))


def _parts(parts: dict[str, float], setting: str) -> str:
    """The parts that take at least a hundredth of the step, the longest first."""
    total = sum(parts.values())
    shown = sorted((item for item in parts.items() if item[1] >= 0.01 * total), key=lambda item: -item[1])
    rows = [f"  {1e3 * seconds:7.2f} ms  {seconds / total:4.0%}  {name}" for name, seconds in shown]
    return "\n".join([f"where the time of one worker goes ({setting}):", *rows])
