"""The training step against PyTorch's, on one NVIDIA GPU: same model, weights, images, order and precision.

    python examples/benchmark_vs_torch_gpu.py [--preset mnist celeba] [--batch-size 32 256 1024]
                                              [--precision tf32 float32] [--rounds 7] [--json]

On both sides the images lie on the GPU as bytes, and a step is: take the batch
that the order names and divide it by 255, forward, backward, Adam. Our losses
are read back every 256 steps, PyTorch's never. Configurations take turns, a few
steps each. The result is the ratio of medians against PyTorch's best. "tf32"
allows tensor cores in convolutions and matrix products on both sides; "float32"
forbids them. All images are random.
"""

import argparse
import gc
import importlib.util
import json
import sys
import time
from statistics import median

import numpy as np

from minirmae import arrays, devices
from minirmae.data.batches import epoch_order
from minirmae.engines.cuda.card import CudaDevice
from minirmae.engines.cuda.step import CapturedTraining
from minirmae.models.autoencoder import PRESETS, ModelConfig, build
from minirmae.optimizers import Adam

RATE = 1e-4
BATCHES = 4


def model_of(preset):
    return build(ModelConfig.paper(preset), np.random.default_rng(0))


def images_of(preset, batch):
    return np.random.default_rng(1).integers(0, 256, (BATCHES * batch, *PRESETS[preset].image), dtype=np.uint8)


def our_steps(preset, batch, precision):
    """Return a function of a number of steps that takes them with our step, waits, and returns the losses."""
    training = CapturedTraining(
        [model_of(preset)],
        [Adam(RATE)],
        images_of(preset, batch),
        batch_size=batch,
        seeds=[0],
        device=CudaDevice(precision=precision),
    )
    return lambda count: training.run(count)[:, 0].tolist()


def torch_steps(preset, batch, precision, channels_last, fused, compiled, graph):
    """Return the same for PyTorch in one of its configurations; the losses are read back at the end."""
    import torch
    from torch_twin import twin

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.benchmark = True
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model = twin(model_of(preset), PRESETS[preset].image).cuda().to(memory_format=layout)
    data = torch.from_numpy(images_of(preset, batch).transpose(0, 3, 1, 2)).cuda().contiguous(memory_format=layout)
    order = torch.from_numpy(epoch_order(len(data), 0, 0)).cuda().reshape(BATCHES, batch)
    place = torch.zeros(1, dtype=torch.int64, device="cuda")
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE, fused=fused, capturable=graph)

    def loss_of(x):
        return torch.nn.functional.mse_loss(model(x), x)

    if compiled:
        loss_of = torch.compile(loss_of, mode="max-autotune-no-cudagraphs")

    def step():
        x = data[order.index_select(0, place)[0]].to(memory_format=layout).float() / 255
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(x)
        loss.backward()
        optimizer.step()
        place.add_(1).remainder_(BATCHES)
        return loss.detach()

    first = []
    if graph:
        # PyTorch asks for a few steps on a side stream before a capture; they count as steps here.
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            first = [step() for _ in range(3)]
        torch.cuda.current_stream().wait_stream(side)
        captured = torch.cuda.CUDAGraph()
        optimizer.zero_grad(set_to_none=True)
        with torch.cuda.graph(captured):
            static = step()

        def step():
            captured.replay()
            return static

    def run(count):
        done = [first.pop(0) for _ in range(min(count, len(first)))]
        losses = done + [step().clone() for _ in range(count - len(done))]
        torch.cuda.synchronize()
        return [loss.item() for loss in losses]

    return run


CONFIGURATIONS = {
    "eager": {"channels_last": False, "fused": False, "compiled": False, "graph": False},
    "channels last, fused Adam": {"channels_last": True, "fused": True, "compiled": False, "graph": False},
    "compiled": {"channels_last": True, "fused": True, "compiled": True, "graph": False},
    "CUDA graph": {"channels_last": True, "fused": True, "compiled": False, "graph": True},
    "compiled, CUDA graph": {"channels_last": True, "fused": True, "compiled": True, "graph": True},
}


def compare(preset, batch, precision, rounds, steps):
    """Median seconds of a step by configuration, and PyTorch's over ours."""
    runs, failed = {"minirmae": our_steps(preset, batch, precision)}, {}
    reference = runs["minirmae"](3)
    for name, options in CONFIGURATIONS.items():
        try:
            run = torch_steps(preset, batch, precision, **options)
            losses = run(3)
        except Exception as error:  # a configuration that a version of PyTorch cannot do is a result, not an end
            failed[name] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            continue
        if not np.allclose(losses, reference, rtol=1e-2):
            sys.exit(f"{name} computes other losses: {losses} against {reference}")
        runs[name] = run
    times = {name: [] for name in runs}
    for run in runs.values():
        run(steps)
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run(steps)
            times[name].append((time.perf_counter() - start) / steps)
    medians = {name: median(values) for name, values in times.items()}
    peers = {name: seconds for name, seconds in medians.items() if name != "minirmae"}
    best = min(peers, key=peers.get) if peers else None
    return {
        "preset": preset,
        "batch": batch,
        "precision": precision,
        "median_seconds": medians,
        "all_seconds": times,
        "best_of_pytorch": best,
        "times_best": medians[best] / medians["minirmae"] if best else None,
        "times_eager": medians["eager"] / medians["minirmae"] if "eager" in medians else None,
        "failed": failed,
    }


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=tuple(PRESETS), nargs="+", default=["mnist", "celeba"])
    parser.add_argument("--batch-size", type=int, nargs="+", default=[32, 256, 1024])
    parser.add_argument("--precision", choices=("tf32", "float32"), nargs="+", default=["tf32", "float32"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=20, help="steps between two looks at the clock")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args(arguments)
    try:
        devices.require_device("cuda")
    except arrays.DeviceError as error:
        sys.exit(str(error))
    if importlib.util.find_spec("torch") is None:
        sys.exit("This benchmark compares with PyTorch, which is not installed: pip install torch")
    import torch

    results = []
    for preset in args.preset:
        for batch in args.batch_size:
            for precision in args.precision:
                results.append(compare(preset, batch, precision, args.rounds, args.steps))
                gc.collect()
                torch.cuda.empty_cache()
                if not args.json:
                    print(lines(results[-1]), flush=True)
    if args.json:
        gpu = torch.cuda.get_device_name()
        print(json.dumps({"gpu": gpu, "torch": torch.__version__, "results": results}, indent=2))


def lines(result):
    ours = result["median_seconds"]["minirmae"]
    text = [f"\n{result['preset']}, batch {result['batch']}, {result['precision']}: {ours * 1e6:.0f} us a step"]
    for name, seconds in sorted(result["median_seconds"].items(), key=lambda item: item[1]):
        text.append(f"  {seconds / ours:6.2f} x ours   {name}")
    text += [f"  did not run    {name}: {why}" for name, why in result["failed"].items()]
    return "\n".join(text)


if __name__ == "__main__":
    main()
