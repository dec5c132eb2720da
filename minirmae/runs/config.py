"""What a run is asked to do, as one record that a JSON file can hold.

A configuration says everything that determines the weights at the end: two
runs of equal configuration are equal. It is checked when it is made, so that
a mistake costs no training. Every field carries its meaning, its choices and,
if its default is None, what None stands for; `minirmae train` makes its
options from that.
"""

from __future__ import annotations

import math
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any, Self, get_args, get_origin, get_type_hints

from minirmae.engine import ENGINES
from minirmae.models.autoencoder import ModelConfig
from minirmae.objectives.registry import NAMES, recipe
from minirmae.validation import require_choice, require_int, require_positive_int

OPTIMIZERS = ("sgd", "momentum", "adam", "adamw")
SCHEDULES = ("constant", "step", "cosine")
DTYPES = ("float32", "float64")

# Options that mean something for one choice only; set beside another they are a mistake, not a default.
_BELONGS_TO = {
    "momentum": ("optimizer", "momentum"),
    "weight_decay": ("optimizer", "adamw"),
    "decay_every": ("schedule", "step"),
    "decay_factor": ("schedule", "step"),
    "warmup": ("schedule", "cosine"),
    "final_learning_rate": ("schedule", "cosine"),
}
_COUNTS = ("steps", "epochs", "training_images", "crop", "batch_size", "decay_every", "workers")
_INTERVALS = ("log_every", "evaluate_every", "checkpoint_every")
_WHERE = "training configuration"


def about(meaning: str, *, choices: tuple[str, ...] = (), none: str = "") -> dict[str, Any]:
    """Return the metadata of a field: its meaning, the words it may be, and what None stands for."""
    return {"help": meaning, "choices": choices, "none": none}


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that determines a run; the defaults are the paper's where it gives a number.

    Exactly one of `steps` and `epochs` must be given. `settings` that are left
    out are filled in with the objective's defaults.

    Raises:
        TypeError: a value is of the wrong type.
        ValueError: a value is out of range, or does not go with the others.

    >>> config = TrainingConfig(ModelConfig.paper("shapes"), steps=2000)
    >>> TrainingConfig.from_json(config.to_json()) == config
    True
    """

    model: ModelConfig = field(metadata=about("the autoencoder"))
    objective: str = field(default="plain", metadata=about("what to minimise", choices=NAMES))
    settings: dict[str, Any] = field(default_factory=dict, metadata=about("settings of the objective by name"))
    steps: int | None = field(default=None, metadata=about("length of the training in batches"))
    epochs: int | None = field(default=None, metadata=about("length of the training in passes over the images"))
    data: str = field(default="shapes", metadata=about("images: any source of `minirmae data`"))
    training_images: int | None = field(
        default=None, metadata=about("train on the first images of the data, this many", none="all")
    )
    evaluation_images: int = field(
        default=2000, metadata=about("evaluate on at most this many images, spread evenly over those there are")
    )
    evaluation_fraction: float = field(
        default=0.1, metadata=about("part of the images held back for evaluation, if the data have no split")
    )
    crop: int | None = field(
        default=148, metadata=about("side of the centre crop of an image folder in pixels", none="no crop")
    )
    batch_size: int = field(default=32, metadata=about("images a step"))
    optimizer: str = field(default="adam", metadata=about("update rule", choices=OPTIMIZERS))
    learning_rate: float = field(default=1e-4, metadata=about("learning rate, or the largest one of a schedule"))
    momentum: float | None = field(default=None, metadata=about("of the optimizer momentum", none="0.9"))
    weight_decay: float | None = field(default=None, metadata=about("of the optimizer adamw", none="0.01"))
    schedule: str = field(default="constant", metadata=about("of the learning rate", choices=SCHEDULES))
    decay_every: int | None = field(default=None, metadata=about("schedule step: steps between two drops"))
    decay_factor: float | None = field(default=None, metadata=about("schedule step: factor of each drop", none="0.1"))
    warmup: int | None = field(default=None, metadata=about("schedule cosine: steps of linear rise", none="0"))
    final_learning_rate: float | None = field(
        default=None, metadata=about("schedule cosine: learning rate at the end", none="0")
    )
    dtype: str = field(default="float32", metadata=about("of the parameters and all arithmetic", choices=DTYPES))
    engine: str = field(
        default="fast", metadata=about("what computes: fast, or the readable reference", choices=ENGINES)
    )
    workers: int = field(
        default=1, metadata=about("processes that share each batch; more than 1 needs the engine fast")
    )
    seed: int = field(default=0, metadata=about("of weights, order of the images, dropout and generated images"))
    log_every: int = field(default=50, metadata=about("steps between two training losses in the history"))
    evaluate_every: int = field(default=500, metadata=about("steps between two evaluations"))
    checkpoint_every: int = field(default=500, metadata=about("steps between two checkpoints"))

    def __post_init__(self) -> None:
        values = vars(self)
        _require_types(_WHERE, type(self), values)
        for declared in fields(self):
            if declared.metadata["choices"]:
                require_choice(_WHERE, declared.name, values[declared.name], declared.metadata["choices"])
        object.__setattr__(self, "settings", recipe(self.objective).complete(self.settings))
        recipe(self.objective).require_training(values)
        if self.workers != 1 and not recipe(self.objective).per_image:
            raise ValueError(
                f"{_WHERE}: the objective {self.objective} looks at a batch as a whole, so workers must be 1, "
                f"got {self.workers}"
            )
        if self.workers != 1 and self.engine == "reference":
            raise ValueError(
                f"{_WHERE}: the engine reference is one process, so workers must be 1, got {self.workers}; "
                "leave workers out, or choose the engine fast"
            )
        if (self.steps is None) == (self.epochs is None):
            raise ValueError(
                f"{_WHERE}: exactly one of steps and epochs must be given, got {self.steps} and {self.epochs}"
            )
        require_positive_int(
            _WHERE, **{name: values[name] for name in _COUNTS + _INTERVALS if values[name] is not None}
        )
        # A covariance, whose rank is recorded, needs two codes.
        require_int(_WHERE, "evaluation_images", self.evaluation_images, 2)
        require_int(_WHERE, "seed", self.seed, 0)
        for name in ("learning_rate", "decay_factor"):
            value = values[name]
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"{_WHERE}: {name} must be a positive number, got {value!r}")
        if not 0 < self.evaluation_fraction < 1:
            raise ValueError(f"{_WHERE}: evaluation_fraction must lie between 0 and 1, got {self.evaluation_fraction}")
        for option, (choice, needed) in _BELONGS_TO.items():
            if values[option] is not None and values[choice] != needed:
                raise ValueError(
                    f"{_WHERE}: {option} goes with {choice} {needed}, but {choice} is {values[choice]}; "
                    f"leave it out or choose {needed}"
                )
        if self.schedule == "step" and self.decay_every is None:
            raise ValueError(f"{_WHERE}: the step schedule needs decay_every, a number of steps")

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a dict that `json.dumps` takes."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Any) -> Self:
        """Return the configuration that `to_json` made `record` from.

        Raises TypeError or ValueError for an unknown or missing field or a value that cannot be.
        """
        _require_fields(_WHERE, cls, record)
        _require_fields(f"{_WHERE}, model", ModelConfig, record["model"])
        _require_types(f"{_WHERE}, model", ModelConfig, record["model"])
        return cls(**{**record, "model": ModelConfig(**record["model"])})

    def require_continues(self, saved: Any) -> None:
        """Raise unless a run that began with the configuration `saved`, as JSON, may be resumed with this one.

        Free are the engine and the workers, which decide the rounding alone, and
        the length, except with the cosine schedule, which depends on it. All other
        fields must be equal. Raises ValueError or TypeError.
        """
        before, after = type(self).from_json(saved).to_json(), self.to_json()
        free = ("engine", "workers", *(() if self.schedule == "cosine" else ("steps", "epochs")))
        changed = [name for name in before if before[name] != after[name] and name not in free]
        if changed:
            differences = ", ".join(f"{name} was {before[name]} and is {after[name]}" for name in changed)
            raise ValueError(
                f"{_WHERE}: a run is resumed with the configuration that it began with, but {differences}; "
                "undo that, or start a new run in another directory"
            )


def _require_fields(where: str, record_type: type[Any], record: Any) -> None:
    """Raise unless `record` is a dict that names fields of the dataclass `record_type`, all the required ones too."""
    if not isinstance(record, dict):
        raise TypeError(f"{where}: must be a JSON object, got {type(record).__name__}")
    known = [field.name for field in fields(record_type)]
    unknown = sorted(set(record) - set(known))
    if unknown:
        raise ValueError(f"{where}: unknown field {', '.join(unknown)}; known are {', '.join(known)}")
    missing = [field.name for field in fields(record_type) if field.default is MISSING and field.name not in record]
    if missing:
        raise ValueError(f"{where}: {', '.join(missing)} is missing")


def _require_types(where: str, record_type: type[Any], values: dict[str, Any]) -> None:
    """Raise TypeError unless every value is of the type that the dataclass `record_type` declares for its name."""
    hints = get_type_hints(record_type)
    for name, value in values.items():
        kinds = (dict,) if get_origin(hints[name]) is dict else get_args(hints[name]) or (hints[name],)
        allowed = (*kinds, int) if float in kinds else kinds
        if isinstance(value, bool) or not isinstance(value, allowed):
            expected = " or ".join("None" if kind is type(None) else kind.__name__ for kind in kinds)
            raise TypeError(f"{where}: {name} must be {expected}, got {value!r}")
