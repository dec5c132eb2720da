"""`minirmae train`: train an autoencoder into a run directory."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from minirmae.autoencoders import PRESETS, VARIANTS, ModelConfig
from minirmae.commands.device import add_device
from minirmae.commands.outcome import Outcome
from minirmae.objectives.registry import NAMES, recipe
from minirmae.parallel import default_workers
from minirmae.training.config import DTYPES, OPTIMIZERS, SCHEDULES, TrainingConfig

HELP = "train an autoencoder or a classifier, or go on with a run"
EXAMPLE = (
    "minirmae train --preset shapes --linear-layers 4 --steps 2000 --out runs/shapes-4\n"
    "  minirmae train --preset mnist --data mnist --epochs 1\n"
    "  minirmae train --resume runs/shapes-4"
)

# Options that are a field of the configuration: (flag, field, type or choices, help).
_OPTIONS = (
    ("--data", "data", str, "images (default: the preset's name; any source of `minirmae data`)"),
    ("--training-images", "training_images", int, "train on the first that many"),
    ("--evaluation-images", "evaluation_images", int, "evaluate on at most that many (default: 2000)"),
    ("--evaluation-fraction", "evaluation_fraction", float, "part held back of unsplit data (default: 0.1)"),
    ("--objective", "objective", NAMES, "what to minimise (default: plain)"),
    ("--batch-size", "batch_size", int, "images a step (default: 32)"),
    ("--optimizer", "optimizer", OPTIMIZERS, "default: adam"),
    ("--learning-rate", "learning_rate", float, "default: 1e-4, as in the paper"),
    ("--momentum", "momentum", float, "of the optimizer momentum (default: 0.9)"),
    ("--weight-decay", "weight_decay", float, "of the optimizer adamw (default: 0.01)"),
    ("--schedule", "schedule", SCHEDULES, "of the learning rate (default: constant)"),
    ("--decay-every", "decay_every", int, "steps between the drops of the schedule step"),
    ("--decay-factor", "decay_factor", float, "each drop of the schedule step (default: 0.1)"),
    ("--warmup", "warmup", int, "steps that the schedule cosine rises (default: 0)"),
    ("--final-learning-rate", "final_learning_rate", float, "where the schedule cosine ends (default: 0)"),
    ("--dtype", "dtype", DTYPES, "default: float32"),
    ("--workers", "workers", int, "processes that share each batch (default: the cores, if the objective allows)"),
    ("--seed", "seed", int, "of weights, order and generated images (default: 0)"),
    ("--log-every", "log_every", int, "steps between losses in the history (default: 50)"),
    ("--evaluate-every", "evaluate_every", int, "steps between evaluations (default: 500)"),
    ("--checkpoint-every", "checkpoint_every", int, "steps between checkpoints (default: 500)"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the model, the length, every field of the configuration, and the directory."""
    parser.add_argument("--preset", choices=tuple(PRESETS), help="the paper's architecture (default: shapes)")
    parser.add_argument("--latent", type=int, help="n, width of the code (default: the paper's)")
    parser.add_argument(
        "--linear-layers", type=int, metavar="L", help="l, 0 for a plain autoencoder (default: the paper's)"
    )
    parser.add_argument("--variant", choices=VARIANTS, help="what the linear layers are (default: linear)")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--steps", type=int, help="train that many batches (default: 2000)")
    length.add_argument("--epochs", type=int, help="train that often on all images")
    for flag, field, kind, text in _OPTIONS:
        if isinstance(kind, tuple):
            parser.add_argument(flag, dest=field, choices=kind, help=text)
        else:
            parser.add_argument(flag, dest=field, type=kind, help=text, metavar=kind.__name__.upper())
    parser.add_argument(
        "--set", dest="settings", action="append", metavar="NAME=VALUE", help="a setting of the objective; repeatable"
    )
    parser.add_argument("--crop", help='centre crop of an image folder in pixels, or "none" (default: 148)')
    add_device(parser)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--out", type=Path, help="directory of the run (default: runs/PRESET-lL-seedS)")
    where.add_argument("--resume", type=Path, metavar="RUN", help="go on with this run; --steps or --epochs extend it")


def run(args: argparse.Namespace) -> Outcome:
    """Train, and say where the run is and how it ended."""
    from minirmae.analysis import label
    from minirmae.training import Progress, train

    if args.resume is None:
        config = _configuration(args)
        model = config.model
        kind = f"l{model.linear_layers}" if config.objective == "plain" else config.objective
        directory = args.out or Path("runs") / f"{model.preset}-{kind}-seed{config.seed}"
        finished = train(config, directory, progress=Progress(str(directory)), device=args.device)
    else:
        progress = Progress(str(args.resume))
        finished = train(_extended(args), args.resume, resume=True, progress=progress, device=args.device)
    last = finished.history("evaluation")[-1]
    result = {"run": str(finished.directory), "model": label(finished), "evaluation": last}
    text = f"{label(finished)} in {finished.directory}: step {last['step']}, evaluation loss {last['loss']:.5f}, "
    if "accuracy" in last:
        text += f"accuracy {last['accuracy']:.2%} of {last['samples']} images"
    else:
        ranks = f"rank {last['numerical_ranks']['0.001']} of {finished.config.model.latent} at 1e-3"
        text += f"{ranks}\nnext: minirmae spectrum {finished.directory}"
    return Outcome(result, text)


def _configuration(args: argparse.Namespace) -> TrainingConfig:
    """The configuration that the options describe; what was not given keeps its default."""
    preset, chosen = args.preset or "shapes", recipe(args.objective or "plain")
    layers = chosen.linear_layers if args.linear_layers is None else args.linear_layers
    model = ModelConfig.paper(preset, args.latent, layers, args.variant or "linear")
    given = {field: getattr(args, field) for _, field, _, _ in _OPTIONS if getattr(args, field) is not None}
    fields = {**chosen.training, **given, "settings": _settings(args.settings or ())}
    if "data" not in fields:
        if preset == "celeba":
            raise ValueError("train: the celeba preset has no data of its own; give a folder of images with --data")
        fields["data"] = preset
    if args.crop is not None:
        fields["crop"] = _crop(args.crop)
    if "workers" not in fields and chosen.per_image and args.device == "cpu":
        fields["workers"] = default_workers(fields.get("batch_size", TrainingConfig.batch_size))
    steps = 2000 if args.steps is None and args.epochs is None else args.steps
    return TrainingConfig(model=model, steps=steps, epochs=args.epochs, **fields)


def _extended(args: argparse.Namespace) -> TrainingConfig | None:
    """The configuration of the run to resume, its length changed if that was asked for; None if not."""
    from minirmae.training import open_run

    given = ["--" + name.replace("_", "-") for name in ("preset", "latent", "linear_layers", "variant", "set", "crop")
             if getattr(args, "settings" if name == "set" else name) is not None]  # fmt: skip
    given += [flag for flag, field, _, _ in _OPTIONS if getattr(args, field) is not None]
    if given:
        raise ValueError(
            f"train: {', '.join(given)} cannot be changed when a run is resumed; only --steps or --epochs can"
        )
    if args.steps is None and args.epochs is None:
        return None
    return replace(open_run(args.resume).config, steps=args.steps, epochs=args.epochs)


def _settings(texts: Sequence[str]) -> dict[str, float | str]:
    """Settings of the objective from NAME=VALUE; what is not a number is a word."""
    settings: dict[str, float | str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise ValueError(f"train: --set takes NAME=VALUE, came {text!r}")
        try:
            settings[name] = float(value)
        except ValueError:
            settings[name] = value
    return settings


def _crop(text: str) -> int | None:
    if text == "none":
        return None
    if not text.isdigit():
        raise ValueError(f'train: --crop must be a number of pixels or "none", came {text!r}')
    return int(text)
