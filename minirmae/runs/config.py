"""What a run is asked to do, as one record that a JSON file can hold.

A configuration says everything that determines the weights at the end: two
runs of equal configuration are equal. It is checked when it is made, so that
a mistake costs no training.
"""

from __future__ import annotations

import math
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any, Self, get_args, get_origin, get_type_hints

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


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that determines a run; the defaults are the paper's where it gives a number.

    Attributes:
        model: the autoencoder.
        objective: name of a recipe in `minirmae.objectives`.
        settings: of the objective; what is left out is filled in with its defaults.
        steps, epochs: how long to train; exactly one of the two.
        data: a source as `minirmae.data.open_dataset` takes it.
        training_images: train on the first that many; None for all.
        evaluation_images: evaluate on at most that many, spread evenly over those there are.
        evaluation_fraction: part held back where the source has no split of its own.
        crop: side of the centre crop of an image folder, None for no crop.
        batch_size: images a step.
        optimizer: "sgd", "momentum", "adam" or "adamw".
        learning_rate: the rate, or the largest one of a schedule.
        momentum: of "momentum"; None is 0.9.
        weight_decay: of "adamw"; None is 0.01.
        schedule: "constant"; "step" (times `decay_factor`, None is 0.1, after each
            `decay_every` steps); "cosine" (linear rise over `warmup` steps, None is 0, then down
            to `final_learning_rate`, None is 0).
        dtype: "float32" or "float64".
        workers: processes that share each batch; their number decides the order of sums, and so the last bits.
        seed: of the weights, the order of the images, dropout and the shapes data.
        log_every, evaluate_every, checkpoint_every: in steps.

    Raises:
        TypeError: a value is of the wrong type.
        ValueError: a value is out of range, or does not go with the others.

    >>> config = TrainingConfig(ModelConfig.paper("shapes"), steps=2000)
    >>> TrainingConfig.from_json(config.to_json()) == config
    True
    """

    model: ModelConfig
    objective: str = "plain"
    settings: dict[str, Any] = field(default_factory=dict)
    steps: int | None = None
    epochs: int | None = None
    data: str = "shapes"
    training_images: int | None = None
    evaluation_images: int = 2000
    evaluation_fraction: float = 0.1
    crop: int | None = 148
    batch_size: int = 32
    optimizer: str = "adam"
    learning_rate: float = 1e-4
    momentum: float | None = None
    weight_decay: float | None = None
    schedule: str = "constant"
    decay_every: int | None = None
    decay_factor: float | None = None
    warmup: int | None = None
    final_learning_rate: float | None = None
    dtype: str = "float32"
    workers: int = 1
    seed: int = 0
    log_every: int = 50
    evaluate_every: int = 500
    checkpoint_every: int = 500

    def __post_init__(self) -> None:
        values = vars(self)
        _require_types(_WHERE, type(self), values)
        require_choice(_WHERE, "objective", self.objective, NAMES)
        object.__setattr__(self, "settings", recipe(self.objective).complete(self.settings))
        require_choice(_WHERE, "optimizer", self.optimizer, OPTIMIZERS)
        recipe(self.objective).require_training(values)
        require_choice(_WHERE, "schedule", self.schedule, SCHEDULES)
        require_choice(_WHERE, "dtype", self.dtype, DTYPES)
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
        """Raise unless a run that began with the configuration `saved`, as JSON, may go on with this one.

        All fields must be equal but steps and epochs, and those too with the
        cosine schedule. Raises ValueError or TypeError.
        """
        before, after = type(self).from_json(saved).to_json(), self.to_json()
        free = () if self.schedule == "cosine" else ("steps", "epochs")
        changed = [name for name in before if before[name] != after[name] and name not in free]
        if changed:
            differences = ", ".join(f"{name} was {before[name]} and is {after[name]}" for name in changed)
            raise ValueError(
                f"{_WHERE}: a run goes on with what it began with, but {differences}; "
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
