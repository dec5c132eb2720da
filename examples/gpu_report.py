"""Every check and benchmark that needs an NVIDIA GPU, in one command, with a report.

    python examples/gpu_report.py [--out gpu-report] [--quick]

Runs `pytest -m gpu`, measures the GPU's own rates (copy, matrix products),
times every kernel of a training step against them, whole steps and replicas,
compares with PyTorch if it is installed, and trains the shapes preset with 0, 2
and 4 linear layers for 100 epochs, for the paper's spectra. Writes OUT.md to
read, OUT.json with all numbers, and the runs with their figure into OUT-runs.
Without a GPU it writes the counts, and says why nothing was measured.
"""

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np

import minirmae
from minirmae import arrays, devices
from minirmae.engines.cuda.card import CudaDevice
from minirmae.engines.cuda.roofline import step_launches, table
from minirmae.engines.cuda.sources import PRECISIONS
from minirmae.engines.cuda.step import CapturedTraining
from minirmae.files import write_text
from minirmae.models.autoencoder import PRESETS, ModelConfig, build
from minirmae.optimizers import Adam
from minirmae.report.analysis import analyse
from minirmae.report.plots import save_figure, spectrum_figure
from minirmae.runs import TrainingConfig, train_together

ROOT = Path(__file__).parent.parent
REPEATS = 50


def why_no_gpu():
    """The reason, or None if there is a GPU."""
    try:
        devices.require_device("cuda")
    except arrays.DeviceError as error:
        return str(error)
    return None


def facts():
    """Card, driver and versions."""
    import cupy

    properties = cupy.cuda.runtime.getDeviceProperties(0)
    return {
        "gpu": properties["name"].decode(),
        "multiprocessors": properties["multiProcessorCount"],
        "memory_bytes": properties["totalGlobalMem"],
        "driver": cupy.cuda.runtime.driverGetVersion(),
        "cupy": cupy.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def run_tests():
    """Exit status of the tests that need a GPU, and the end of what they said."""
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-q", "-rf", "tests"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return {"passed": done.returncode == 0, "output": (done.stdout + done.stderr)[-4000:]}


def measured_rates():
    """Bytes a second of a device copy, and flops a second of cuBLAS's products in both precisions."""
    code = """
import json, time, cupy
def best(f):
    f(); cupy.cuda.Device().synchronize(); times = []
    for _ in range(10):
        start = time.perf_counter(); f(); cupy.cuda.Device().synchronize(); times.append(time.perf_counter() - start)
    return min(times)
a = cupy.zeros(1 << 28, cupy.float32); b = cupy.empty_like(a); n = 8192
x, y = cupy.ones((n, n), cupy.float32), cupy.ones((n, n), cupy.float32)
print(json.dumps([2 * a.nbytes / best(lambda: cupy.copyto(b, a)), 2 * n**3 / best(lambda: x @ y)]))
"""
    rates = {}
    for precision, tf32 in (("float32", "0"), ("tf32", "1")):
        environment = {**os.environ, "CUPY_TF32": tf32}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        rates["copy"], rates[precision] = json.loads(done.stdout)
    return rates


def training_of(preset, batch, precision, replicas=1, steps_per_epoch=4):
    """A captured training on random images."""
    config = ModelConfig.paper(preset)
    models = [build(config, np.random.default_rng(seed)) for seed in range(replicas)]
    shape = (steps_per_epoch * batch, *PRESETS[preset].image)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    device = CudaDevice(precision=precision)
    optimizers = [Adam(1e-4) for _ in models]
    seeds = list(range(replicas))
    training = CapturedTraining(models, optimizers, images, batch_size=batch, seeds=seeds, device=device)
    return training, device


def step_seconds(training, steps, rounds=7):
    """Median seconds of a step, read-back included."""
    training.run(steps)
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        training.run(steps)
        times.append((time.perf_counter() - start) / steps)
    return median(times)


def kernel_times(preset, batch, precision, rates):
    """Seconds of each launch of a step, alone, many times in one graph; and its part of the GPU's rates."""
    training, device = training_of(preset, batch, precision)
    word, rows = np.empty(1, np.int64), []
    address = training._address(0, training.plan.state()[0])
    for bound in training.bound[batch]:
        replay = device.record([bound] * REPEATS)
        times = []
        for _ in range(5):
            device.download(address, word)
            start = time.perf_counter()
            replay()
            device.download(address, word)
            times.append((time.perf_counter() - start) / REPEATS)
        launch, seconds = bound.launch, median(times)
        rows.append(
            {
                "kernel": launch.kernel,
                "grid": launch.grid,
                "flops": launch.flops,
                "bytes": launch.bytes,
                "seconds": seconds,
                "of_products": launch.flops / seconds / rates[precision],
                "of_copy": launch.bytes / seconds / rates["copy"],
            }
        )
    return rows


def torch_comparison(quick):
    """What examples/benchmark_vs_torch_gpu.py says, or why it does not."""
    if importlib.util.find_spec("torch") is None:
        return {"failed": "PyTorch is not installed"}
    command = [sys.executable, str(ROOT / "examples" / "benchmark_vs_torch_gpu.py"), "--json"]
    command += ["--preset", "mnist", "--batch-size", "32", "--rounds", "3"] if quick else []
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else {"failed": (done.stderr or done.stdout)[-2000:]}


def spectra(directory, quick):
    """Eigenvalues above 0.005 of the largest; the paper's figure shows about 20, 8 and 4 of them."""
    depths = (0, 2, 4)
    length = {"steps": 200} if quick else {"epochs": 100}
    configs = [TrainingConfig(ModelConfig.paper("shapes", linear_layers=l), data="shapes", **length) for l in depths]
    start = time.perf_counter()
    directories = [directory / f"shapes-l{l}" for l in depths]
    runs = train_together(configs, directories, resume=True, device="cuda")
    seconds = time.perf_counter() - start
    found = [np.array(analyse(run, images=10_000, device="cuda").ranks.eigenvalues) for run in runs]
    curves = {f"l = {l}": values for l, values in zip(depths, found, strict=True)}
    save_figure(spectrum_figure(curves), directory / "spectra.png")
    above = [int(np.sum(values > 0.005 * values.max())) for values in found]
    rows = [{"linear_layers": l, "above": count} for l, count in zip(depths, above, strict=True)]
    return {"seconds": seconds, "length": length, "rows": rows}


def measure(quick, directory):
    """Everything, as one record."""
    cases = [("mnist", 32)] if quick else [(p, b) for p in ("mnist", "celeba") for b in (32, 256, 1024)]
    report = {"minirmae": minirmae.__version__, "facts": facts(), "tests": run_tests(), "rates": measured_rates()}
    report["steps"], report["kernels"] = [], []
    for preset, batch in cases:
        for precision in PRECISIONS:
            training, _ = training_of(preset, batch, precision)
            row = {"preset": preset, "batch": batch, "precision": precision}
            report["steps"].append({**row, "seconds": step_seconds(training, 64)})
            report["kernels"].append({**row, "launches": kernel_times(preset, batch, precision, report["rates"])})
    report["replicas"] = [
        {"replicas": count, "seconds": step_seconds(training_of("mnist", 32, "tf32", count)[0], 64)}
        for count in ((1, 4) if quick else (1, 4, 16, 64))
    ]
    report["torch"] = torch_comparison(quick)
    report["spectra"] = spectra(directory, quick)
    return report


def markdown(report):
    """The report to read."""
    f, rates, tests = report["facts"], report["rates"], report["tests"]
    lines = [
        "# GPU report",
        f"\n{f['gpu']}, driver for CUDA {f['driver']}, CuPy {f['cupy']}, NumPy {f['numpy']}, Python {f['python']}, "
        f"minirmae {report['minirmae']}.",
        f"\nCopy {rates['copy'] / 1e9:.0f} GB/s; products {rates['tf32'] / 1e12:.0f} (tf32) and "
        f"{rates['float32'] / 1e12:.0f} (float32) Tflop/s.",
        f"\n## Tests: {'passed' if tests['passed'] else 'FAILED'}\n\n```\n{tests['output']}\n```",
        "\n## Steps\n\n| preset | batch | precision | microseconds | images/s |\n|---|---|---|---|---|",
    ]
    for s in report["steps"]:
        rate = s["batch"] / s["seconds"]
        lines.append(f"| {s['preset']} | {s['batch']} | {s['precision']} | {s['seconds'] * 1e6:.0f} | {rate:,.0f} |")
    lines.append("\n## Replicas, MNIST, batch 32, tf32\n\n| replicas | microseconds | a replica |\n|---|---|---|")
    for r in report["replicas"]:
        lines.append(f"| {r['replicas']} | {r['seconds'] * 1e6:.0f} | {r['seconds'] * 1e6 / r['replicas']:.1f} |")
    for case in report["kernels"]:
        lines.append(f"\n## Kernels: {case['preset']}, batch {case['batch']}, {case['precision']}\n")
        lines.append("| kernel | grid | microseconds | of products | of copy |\n|---|---|---|---|---|")
        for k in case["launches"]:
            part = f"{k['of_products']:.0%} | {k['of_copy']:.0%}"
            lines.append(f"| {k['kernel']} | {k['grid']} | {k['seconds'] * 1e6:.1f} | {part} |")
    lines.append("\n## PyTorch\n")
    lines.append(f"Did not run: {report['torch']['failed']}" if "failed" in report["torch"] else "")
    for r in report["torch"].get("results", []):
        numbers = [(name, seconds) for name, seconds in sorted(r["median_seconds"].items(), key=lambda item: item[1])]
        lines.append(f"- {r['preset']}, batch {r['batch']}, {r['precision']}: times its best {r['times_best']}; ")
        lines.append("  " + ", ".join(f"{name} {seconds * 1e6:.0f} us" for name, seconds in numbers))
    s = report["spectra"]
    length = ", ".join(f"{count} {unit}" for unit, count in s["length"].items())
    lines.append(f"\n## Spectra of shapes, {length}, seed 0, all three at once in {s['seconds']:.0f} s\n")
    lines.append("| linear layers | eigenvalues above 0.005 of the largest |\n|---|---|")
    lines += [f"| {row['linear_layers']} | {row['above']} |" for row in s["rows"]]
    return "\n".join(lines) + "\n"


def counted(reason):
    """The report where there is no GPU."""
    lines = ["# GPU report", f"\nNot measured: {reason}", "\nWhat a training step of the MNIST preset costs, counted:"]
    model = build(ModelConfig.paper("mnist"), np.random.default_rng(0))
    for batch in (32, 1024):
        lines.append(f"\nBatch {batch}:\n\n{table(step_launches(model, PRESETS['mnist'].image, batch))}")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="gpu-report", help="path without ending")
    parser.add_argument("--quick", action="store_true", help="MNIST at batch 32 only")
    args = parser.parse_args()
    reason = why_no_gpu()
    report = {"not_measured": reason} if reason else measure(args.quick, Path(f"{args.out}-runs"))
    write_text(f"{args.out}.json", json.dumps(report, indent=2) + "\n")
    write_text(f"{args.out}.md", counted(reason) if reason else markdown(report))
    print(f"wrote {args.out}.md and {args.out}.json" + (f"; nothing measured: {reason}" if reason else ""))
    if not reason and not report["tests"]["passed"]:
        sys.exit("some tests that need a GPU failed; see the report")


if __name__ == "__main__":
    main()
