"""The training step against PyTorch's, on this processor: same model, weights, data, precision and cores.

    python examples/benchmark_vs_torch.py [--preset mnist] [--batch-size 32 128] [--rounds 15] [--json]
    python examples/benchmark_vs_torch.py --device cuda     on a card: options and method of benchmark_vs_torch_gpu.py

Our step and every PyTorch configuration take turns of a second, so that a
machine whose speed drifts is fair to all; the figure to read is the ratio of
medians against PyTorch's best. The first third of a turn is not timed, because
threads and processes of the one before still spin for a while; there is no rest
between turns, because a virtual processor that has rested may be slow. Each step
is forward, backward and Adam on images that are already floats. Memory and
import time are those of fresh processes that train with one library alone;
memory that our workers share is counted for each of them.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time
from statistics import median

import numpy as np

from minirmae.engine import default_workers, training_step
from minirmae.models.autoencoder import PRESETS, ModelConfig, build
from minirmae.objectives import reconstruction
from minirmae.optimizers import Adam
from minirmae.report.benchmark import peak_memory

RATE = 1e-4
TURN = 1.0


def our_step(preset, batch):
    """Return a function that takes one of our training steps and returns the loss."""
    model = build(ModelConfig.paper(preset), np.random.default_rng(0))
    x = images(preset, batch)
    # Ends with the process.
    step = training_step(model, reconstruction, Adam(RATE), workers=default_workers(batch)).__enter__()
    rng = np.random.default_rng(0)

    def take():
        return step(x, rng)

    take.processes = step.team.processes
    return take


def torch_steps(preset, batch, compiled):
    """Return name to a function that takes one of PyTorch's training steps and returns the loss."""
    import torch
    from torch_twin import images_first, twin

    torch.set_num_threads(os.cpu_count())
    x = images_first(images(preset, batch))

    def variant(channels_last, fused, compile_it):
        model = twin(build(ModelConfig.paper(preset), np.random.default_rng(0)), PRESETS[preset].image)
        data = x.contiguous(memory_format=torch.channels_last) if channels_last else x
        if channels_last:
            model = model.to(memory_format=torch.channels_last)
        optimizer = torch.optim.Adam(model.parameters(), lr=RATE, fused=fused)
        called = torch.compile(model) if compile_it else model

        def step():
            optimizer.zero_grad(set_to_none=True)
            loss = torch.nn.functional.mse_loss(called(data), data)
            loss.backward()
            optimizer.step()
            return loss.item()

        return step

    steps = {
        "eager": variant(False, False, False),
        "eager, channels last": variant(True, False, False),
        "eager, channels last, fused Adam": variant(True, True, False),
    }
    if compiled:
        steps["compiled, fused Adam"] = variant(False, True, True)
        steps["compiled, channels last, fused Adam"] = variant(True, True, True)
    return steps


def images(preset, batch):
    return np.random.default_rng(1).random((batch, *PRESETS[preset].image), dtype=np.float32)


def compare(preset, batch, rounds, compiled):
    """Median seconds of a step, by configuration, and the ratio of ours to PyTorch's best."""
    steps = {"minirmae": our_step(preset, batch), **torch_steps(preset, batch, compiled)}
    failed = {}
    for name in list(steps):
        try:
            losses = [steps[name]() for _ in range(3)]  # warm up; and they must all compute the same
        except Exception as error:
            if not name.startswith("compiled"):
                raise
            failed[name] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            del steps[name]
            continue
        if name == "minirmae":
            reference = losses
        elif not np.allclose(losses, reference, rtol=1e-4):
            sys.exit(f"{name} computes other losses: {losses} against {reference}")
    times = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            times[name] += take_turn(step)
    medians = {name: median(values) for name, values in times.items()}
    best = min((name for name in medians if name != "minirmae"), key=medians.get)
    return {
        "batch": batch,
        "median_seconds": medians,
        "best_of_pytorch": best,
        "ratio": medians["minirmae"] / medians[best],
        "failed": failed,
    }


def take_turn(step):
    """Take steps for a turn; return the seconds of each but the first third."""
    seconds, end = [], time.perf_counter() + TURN
    while len(seconds) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return seconds[len(seconds) // 3 :]


def alone(library, preset, batch):
    """Peak memory in bytes and import seconds of a fresh process that trains with one library."""
    command = [sys.executable, __file__, "--alone", library, "--preset", preset, "--batch-size", str(batch)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def train_alone(library, preset, batch):
    """Import a library in a process of its own, train five steps, and report."""
    code = "import minirmae.runs" if library == "minirmae" else "import torch"
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    seconds = time.perf_counter() - start
    steps = (
        {"minirmae": our_step(preset, batch)} if library == "minirmae" else torch_steps(preset, batch, compiled=False)
    )
    step = steps["minirmae"] if library == "minirmae" else steps["eager, channels last, fused Adam"]
    for _ in range(5):
        step()
    processes = ("self", *getattr(step, "processes", ()))
    return {"peak_bytes": sum(map(peak_memory, processes)), "import_seconds": seconds}


def main():
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    chosen, rest = where.parse_known_args()
    if chosen.device == "cuda":
        import benchmark_vs_torch_gpu

        benchmark_vs_torch_gpu.main(rest)
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=("shapes", "mnist"), default="mnist")
    parser.add_argument("--batch-size", type=int, nargs="+", default=[32, 128])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--no-compile", action="store_true", help="leave out torch.compile, which takes a minute")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--alone", choices=("minirmae", "torch"), help=argparse.SUPPRESS)
    args = parser.parse_args(rest)
    if importlib.util.find_spec("torch") is None:
        sys.exit("This benchmark compares with PyTorch, which is not installed: pip install torch")
    if args.alone:
        print(json.dumps(train_alone(args.alone, args.preset, args.batch_size[0])))
        return
    import torch

    results = [compare(args.preset, batch, args.rounds, not args.no_compile) for batch in args.batch_size]
    processes = {library: alone(library, args.preset, max(args.batch_size)) for library in ("minirmae", "torch")}
    report = {
        "preset": args.preset,
        "threads": os.cpu_count(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        "rounds": args.rounds,
        "results": results,
        "processes": processes,
    }
    if args.json:
        print(json.dumps(report, indent=2))
        return
    print(f"{args.preset}, float32, {report['threads']} threads, NumPy {np.__version__}, PyTorch {torch.__version__}")
    for result in results:
        print(f"\nbatch {result['batch']}, medians of {args.rounds} interleaved turns of {TURN:g} s")
        for name, seconds in sorted(result["median_seconds"].items(), key=lambda item: item[1]):
            print(f"  {seconds / result['median_seconds']['minirmae']:6.2f} x ours   {name}")
        for name, why in result["failed"].items():
            print(f"  did not run    {name}: {why}")
        print(f"  ratio to PyTorch's best ({result['best_of_pytorch']}): {result['ratio']:.2f}")
    print(f"\nfresh processes, batch {max(args.batch_size)}")
    for library, process in processes.items():
        memory = f"{process['peak_bytes'] / 2**20:.0f} MiB"
        print(f"  {library:<9} peak memory {memory}, import {process['import_seconds']:.2f} s")


if __name__ == "__main__":
    main()
