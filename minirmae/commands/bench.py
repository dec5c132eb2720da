"""`minirmae bench`: the speed of a training step on this machine."""

from __future__ import annotations

import argparse

from minirmae.commands.options import add_device, add_engine, add_field
from minirmae.commands.outcome import Outcome
from minirmae.commands.status import StatusLine
from minirmae.models.autoencoder import ModelConfig
from minirmae.runs.config import TrainingConfig

HELP = "time a training step, part by part, against this machine's matrix product"
EXAMPLE = "minirmae bench --preset mnist --batch-size 32 128 --workers 1 2"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the model and the settings."""
    add_field(parser, "preset", default="mnist")
    add_field(parser, "linear_layers")
    add_field(parser, "latent")
    add_field(parser, "batch_size", nargs="+", default=[32, 128])
    add_engine(parser)
    add_field(parser, "workers", nargs="+", shown="as in training")
    parser.add_argument("--repeats", type=int, default=15, help="timed steps, of which the median counts (default: 15)")
    add_field(parser, "dtype", default=TrainingConfig.dtype)
    add_device(parser)
    add_field(parser, "seed", default=0, meaning="of weights and images")


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
    captured_too = device != "cpu" and args.dtype == "float32" and args.engine == "fast"
    precisions = ("tf32", "float32") if captured_too else ()
    timings = []
    options = {"repeats": args.repeats, "dtype": args.dtype, "seed": args.seed, "device": device, "engine": args.engine}
    with StatusLine() as status:
        for batch in args.batch_size:
            shared = args.engine == "fast" and device == "cpu"
            for workers in args.workers or [default_workers(batch) if shared else 1]:
                status.show(f"{args.preset}, batch {batch}, {workers} workers")
                timings.append(measure(config, batch, workers, **options))
            for precision in precisions:
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
        f"{args.preset}, n = {config.latent}, l = {config.linear_layers}, {args.dtype}, {device}, "
        f"engine {args.engine}: {machine()}",
        Table(columns, rows).text(),
        *parts,
        f"peak memory of this process: {'unknown' if memory is None else f'{memory / 2**20:.0f} MiB'}",
    ]
    result = {
        "model": vars(config),
        "machine": machine(),
        "device": device,
        "dtype": args.dtype,
        "engine": args.engine,
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
