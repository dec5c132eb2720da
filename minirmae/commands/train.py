"""`minirmae train`: train autoencoders, each into a run directory of its own."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from minirmae.commands.device import add_device
from minirmae.commands.outcome import Outcome
from minirmae.engine import default_workers
from minirmae.models.autoencoder import PRESETS, VARIANTS, ModelConfig
from minirmae.objectives.registry import NAMES, recipe
from minirmae.runs.config import DTYPES, OPTIMIZERS, SCHEDULES, TrainingConfig
from minirmae.runs.run import Run
from minirmae.validation import require_positive_int

HELP = "train an autoencoder or a classifier, or go on with a run"
EXAMPLE = (
    "minirmae train --preset shapes --linear-layers 4 --steps 2000 --out runs/shapes-4\n"
    "  minirmae train --preset mnist --data mnist --epochs 1\n"
    "  minirmae train --resume runs/shapes-4\n"
    "  minirmae train --preset shapes --linear-layers 0 2 4 --replicas 3 --device cuda --out runs/depths"
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
        "--linear-layers",
        type=int,
        nargs="+",
        metavar="L",
        help="l, 0 for a plain autoencoder (default: the paper's); several train a model each",
    )
    parser.add_argument(
        "--replicas", type=int, metavar="R", help="train R models, of seeds S to S + R - 1; on a card, all at once"
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
    parser.add_argument(
        "--precision",
        choices=("tf32", "float32"),
        help="of the matrix products of a step that is captured on a card (default: tf32)",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--out", type=Path, help="directory of the run, or of several runs' directories (default: runs/PRESET-lL-seedS)"
    )
    where.add_argument(
        "--resume", type=Path, nargs="+", metavar="RUN", help="go on with these runs; --steps or --epochs extend them"
    )


def run(args: argparse.Namespace) -> Outcome:
    """Train, and say where the runs are and how they ended."""
    from minirmae.runs import Progress, train_together

    if args.precision is not None and args.device == "cpu":
        raise ValueError(f"train: --precision {args.precision} is for a card; leave it out, or add --device cuda")
    configs: Sequence[TrainingConfig | None]
    if args.resume is None:
        configs, directories = _plan(args)
    else:
        configs, directories = [_extended(args, directory) for directory in args.resume], args.resume
    runs = train_together(
        configs,
        directories,
        resume=args.resume is not None,
        progress=Progress(str(directories[0]) if len(directories) == 1 else f"{len(directories)} runs"),
        device=args.device,
        precision=args.precision or "tf32",
    )
    ends = [_end(finished) for finished in runs]
    if len(ends) == 1:
        return ends[0]
    return Outcome({"runs": [end.result for end in ends]}, "\n".join(end.text for end in ends))


def _end(finished: Run) -> Outcome:
    """How one run ended."""
    from minirmae.report.analysis import label

    last = finished.history("evaluation")[-1]
    result = {"run": str(finished.directory), "model": label(finished), "evaluation": last}
    text = f"{label(finished)} in {finished.directory}: step {last['step']}, evaluation loss {last['loss']:.5f}, "
    if "accuracy" in last:
        text += f"accuracy {last['accuracy']:.2%} of {last['samples']} images"
    else:
        ranks = f"rank {last['numerical_ranks']['0.001']} of {finished.config.model.latent} at 1e-3"
        text += f"{ranks}\nnext: minirmae spectrum {finished.directory}"
    return Outcome(result, text)


def _plan(args: argparse.Namespace) -> tuple[list[TrainingConfig], list[Path]]:
    """What to train, and where: one run for each depth and seed that was asked for."""
    replicas = 1 if args.replicas is None else args.replicas
    require_positive_int("train", replicas=replicas)
    first = [_configuration(args, layers) for layers in args.linear_layers or [None]]
    configs = [replace(config, seed=config.seed + r) for config in first for r in range(replicas)]
    names = []
    for config in configs:
        model = config.model
        objective = "" if config.objective == "plain" else f"{config.objective}-"
        names.append(f"{model.preset}-{objective}l{model.linear_layers}-seed{config.seed}")
    if args.out is not None and len(configs) == 1:
        return configs, [args.out]
    return configs, [(args.out or Path("runs")) / name for name in names]


def _configuration(args: argparse.Namespace, linear_layers: int | None) -> TrainingConfig:
    """The configuration that the options describe; what was not given keeps its default."""
    preset, chosen = args.preset or "shapes", recipe(args.objective or "plain")
    layers = chosen.linear_layers if linear_layers is None else linear_layers
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


def _extended(args: argparse.Namespace, directory: Path) -> TrainingConfig | None:
    """The configuration of the run to resume, its length changed if that was asked for; None if not."""
    from minirmae.runs import open_run

    names = ("preset", "latent", "linear_layers", "replicas", "variant", "settings", "crop")
    given = [
        "--" + name.replace("settings", "set").replace("_", "-") for name in names if getattr(args, name) is not None
    ]
    given += [flag for flag, field, _, _ in _OPTIONS if getattr(args, field) is not None]
    if given:
        raise ValueError(
            f"train: {', '.join(given)} cannot be changed when a run is resumed; only --steps or --epochs can"
        )
    if args.steps is None and args.epochs is None:
        return None
    return replace(open_run(directory).config, steps=args.steps, epochs=args.epochs)


def _settings(texts: Sequence[str]) -> dict[str, float | str]:
    """Settings of the objective from NAME=VALUE; what is not a number is a word."""
    settings: dict[str, float | str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise ValueError(f"train: --set takes NAME=VALUE, got {text!r}")
        try:
            settings[name] = float(value)
        except ValueError:
            settings[name] = value
    return settings


def _crop(text: str) -> int | None:
    if text == "none":
        return None
    if not text.isdigit():
        raise ValueError(f'train: --crop must be a number of pixels or "none", got {text!r}')
    return int(text)
