"""What a run is asked to do, as one record that a JSON file can hold.

A configuration says everything that determines the weights at the end: two
runs of equal configuration are equal. It is checked when it is made, so that
a mistake costs no training. Every field says what it means, and the command
line makes its options from that.
"""

from __future__ import annotations

import math
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any, Self, get_args, get_origin, get_type_hints

from minirmae.engine import ENGINES
from minirmae.models.autoencoder import ModelConfig, option
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


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that determines a run; the defaults are the paper's where it gives a number.

    Exactly one of `steps` and `epochs` must be given. `settings` are those of the objective, by name; what is left out
    is filled in with its defaults.

    Raises:
        TypeError: a value is of the wrong type.
        ValueError: a value is out of range, or does not go with the others.

    >>> config = TrainingConfig(ModelConfig.paper("shapes"), steps=2000)
    >>> TrainingConfig.from_json(config.to_json()) == config
    True
    """

    model: ModelConfig
    objective: str = option("plain", "what to minimise", NAMES)
    settings: dict[str, Any] = field(default_factory=dict)
    steps: int | None = option(None, "length of the training in steps, one batch each")
    epochs: int | None = option(None, "length of the training in passes over the training images")
    data: str = option("shapes", "images: any source of `minirmae data`")
    training_images: int | None = option(None, "train on the first N images only", none="all")
    evaluation_images: int = option(2000, "evaluate on at most N images, spread evenly over those there are")
    evaluation_fraction: float = option(0.1, "fraction of the images held back, if the data have no split")
    crop: int | None = option(148, "side of the centre crop of an image folder in pixels", none="no crop")
    batch_size: int = option(32, "images per step")
    optimizer: str = option("adam", "update rule", OPTIMIZERS)
    learning_rate: float = option(1e-4, "learning rate, or the largest one of a schedule")
    momentum: float | None = option(None, "of the optimizer momentum", none="0.9")
    weight_decay: float | None = option(None, "of the optimizer adamw", none="0.01")
    schedule: str = option("constant", "of the learning rate", SCHEDULES)
    decay_every: int | None = option(None, "schedule step: steps between two drops")
    decay_factor: float | None = option(None, "schedule step: factor of each drop", none="0.1")
    warmup: int | None = option(None, "schedule cosine: steps of linear rise", none="0")
    final_learning_rate: float | None = option(None, "schedule cosine: learning rate at the end", none="0")
    dtype: str = option("float32", "of the parameters and all arithmetic", DTYPES)
    engine: str = option("fast", "what computes: fast, or the readable reference", ENGINES)
    workers: int = option(1, "processes that share each batch; more than 1 needs the engine fast")
    seed: int = option(0, "of the weights, the order of the images, the noise and generated images")
    log_every: int = option(50, "steps between two training records in the history")
    evaluate_every: int = option(500, "steps between two evaluations")
    checkpoint_every: int = option(500, "steps between two checkpoints")

    def __post_init__(self) -> None:
        values = vars(self)
        _require_types(_WHERE, type(self), values)
        for described in fields(self):
            if described.metadata.get("choices"):
                require_choice(_WHERE, described.name, values[described.name], described.metadata["choices"])
        object.__setattr__(self, "settings", recipe(self.objective).complete(self.settings))
        recipe(self.objective).require_training(values)
        if self.workers != 1 and self.engine == "reference":
            raise ValueError(
                f"{_WHERE}: workers belong to the fast engine; the reference is one process, "
                f"so workers must be 1, got {self.workers}; leave workers out, or choose the engine fast"
            )
        if self.workers != 1 and not recipe(self.objective).per_image:
            raise ValueError(
                f"{_WHERE}: the objective {self.objective} looks at a batch as a whole, so workers must be 1, "
                f"got {self.workers}"
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
        for name, (choice, needed) in _BELONGS_TO.items():
            if values[name] is not None and values[choice] != needed:
                raise ValueError(
                    f"{_WHERE}: {name} goes with {choice} {needed}, but {choice} is {values[choice]}; "
                    f"leave it out or choose {needed}"
                )
        if self.schedule == "step" and self.decay_every is None:
            raise ValueError(f"{_WHERE}: the step schedule needs decay_every, a number of steps")

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a dict that `json.dumps` takes."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Any) -> Self:
        """Return the configuration that `to_json` made `record` from; a missing field has its default.

        Raises TypeError or ValueError for an unknown field, a missing one without a default, or a value out of range.
        """
        _require_fields(_WHERE, cls, record)
        _require_fields(f"{_WHERE}, model", ModelConfig, record["model"])
        _require_types(f"{_WHERE}, model", ModelConfig, record["model"])
        return cls(**{**record, "model": ModelConfig(**record["model"])})

    def require_continues(self, saved: Any) -> None:
        """Raise unless a run that began with the configuration `saved`, as JSON, may be resumed with this one.

        All fields must be equal, except for the engine, the workers if the engine is another, and the length. The
        length must be equal too with the cosine schedule, which depends on it. Raises ValueError or TypeError.
        """
        before, after = type(self).from_json(saved).to_json(), self.to_json()
        free = {"engine"} if self.schedule == "cosine" else {"engine", "steps", "epochs"}
        if before["engine"] != after["engine"]:
            free.add("workers")  # they belong to the engine
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
