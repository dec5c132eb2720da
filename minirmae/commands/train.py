"""`minirmae train`: train autoencoders, each into a run directory of its own."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from minirmae.commands.options import add_device, add_field
from minirmae.commands.outcome import Outcome
from minirmae.engine import default_workers
from minirmae.models.autoencoder import ModelConfig
from minirmae.objectives.registry import recipe
from minirmae.runs.config import TrainingConfig
from minirmae.runs.directory import Run
from minirmae.validation import require_positive_int

HELP = "train an autoencoder or a classifier, or resume a run"
EXAMPLE = (
    "minirmae train --preset shapes --linear-layers 4 --steps 2000 --out runs/shapes-4\n"
    "  minirmae train --preset mnist --data mnist --epochs 1\n"
    "  minirmae train --resume runs/shapes-4\n"
    "  minirmae train --preset shapes --linear-layers 0 2 4 --replicas 3 --device cuda --out runs/depths"
)

_STEPS = 2000
_APART = ("model", "settings", "steps", "epochs")
_OPTIONS = tuple(field.name for field in fields(TrainingConfig) if field.name not in _APART)
"""Fields of the configuration whose options need nothing special."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the model, the length, every field of the configuration, and the directory."""
    add_field(parser, "preset", shown="shapes")
    add_field(parser, "latent")
    add_field(
        parser,
        "linear_layers",
        meaning="l, number of linear layers; 0 is the plain autoencoder; several numbers train a model each",
        nargs="+",
        metavar="L",
    )
    parser.add_argument(
        "--replicas", type=int, metavar="R", help="train R models, of seeds S to S + R - 1; on a GPU, all at once"
    )
    add_field(parser, "variant")
    length = parser.add_mutually_exclusive_group()
    add_field(length, "steps", shown=str(_STEPS))
    add_field(length, "epochs")
    changes: dict[str, dict[str, Any]] = {
        "data": {"shown": "the preset's name", "metavar": "SOURCE"},
        "crop": {"type": str, "meaning": 'side of the centre crop of an image folder in pixels, or "none"'},
        "workers": {"shown": "the cores, if engine and objective allow"},
    }
    for name in _OPTIONS:
        add_field(parser, name, **changes.get(name, {}))
    parser.add_argument(
        "--set", dest="settings", action="append", metavar="NAME=VALUE", help="a setting of the objective; repeatable"
    )
    add_device(parser)
    parser.add_argument(
        "--precision",
        choices=("tf32", "float32"),
        help="of the matrix products of a step that is captured on a GPU (default: tf32)",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--out", type=Path, help="directory of the run, or of several runs' directories (default: runs/PRESET-lL-seedS)"
    )
    where.add_argument(
        "--resume",
        type=Path,
        nargs="+",
        metavar="RUN",
        help="resume these runs; only their length (--steps, --epochs) and --engine can change",
    )


def run(args: argparse.Namespace) -> Outcome:
    """Train, and say where the runs are and how they ended."""
    from minirmae.runs import Progress, train_together

    if args.precision is not None and args.device == "cpu":
        raise ValueError(f"train: --precision {args.precision} is for a GPU; leave it out, or add --device cuda")
    configs: Sequence[TrainingConfig | None]
    if args.resume is None:
        configs, directories = _plan(args)
    else:
        configs, directories = [_resumed(args, directory) for directory in args.resume], args.resume
    runs = train_together(
        configs,
        directories,
        resume=args.resume is not None,
        progress=Progress(str(directories[0]) if len(directories) == 1 else f"{len(directories)} runs"),
        device=args.device,
        precision=args.precision or "tf32",
        engine=args.engine,
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
    given = {name: getattr(args, name) for name in _OPTIONS if getattr(args, name) is not None}
    values = {**chosen.training, **given, "settings": _settings(args.settings or ())}
    if "data" not in values:
        if preset == "celeba":
            raise ValueError("train: the celeba preset has no data of its own; give a folder of images with --data")
        values["data"] = preset
    if args.crop is not None:
        values["crop"] = _crop(args.crop)
    if "workers" not in values and chosen.per_image and args.device == "cpu" and args.engine != "reference":
        values["workers"] = default_workers(values.get("batch_size", TrainingConfig.batch_size))
    steps = _STEPS if args.steps is None and args.epochs is None else args.steps
    return TrainingConfig(model=model, steps=steps, epochs=args.epochs, **values)


def _resumed(args: argparse.Namespace, directory: Path) -> TrainingConfig | None:
    """The configuration of the run to resume with the length that was asked for; None if it stays."""
    from minirmae.runs import open_run

    names = ("preset", "latent", "linear_layers", "replicas", "variant", "settings", *_OPTIONS)
    given = [name for name in names if name != "engine" and getattr(args, name) is not None]
    if given:
        flags = ", ".join("--" + name.replace("settings", "set").replace("_", "-") for name in given)
        raise ValueError(
            f"train: {flags} cannot be changed when a run is resumed; only --steps or --epochs and --engine can"
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
