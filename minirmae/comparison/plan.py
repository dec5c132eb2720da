"""What a comparison is asked to do: which methods, how long, and what is measured afterwards.

Every method trains on the same images in the same order, with the same number
of steps and the same batch. Optimiser and learning rate are each paper's own,
as its recipe has them, and the page says which.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from minirmae.data import Dataset
from minirmae.models.autoencoder import ModelConfig
from minirmae.objectives.registry import NAMES, recipe
from minirmae.runs import TrainingConfig, evaluation_data, training_data
from minirmae.validation import require_choice, require_int, require_positive_int

METHODS = ("ae", "irmae", *(name for name in NAMES if name not in ("plain", "classify")))
"""The plain autoencoder, the same with linear layers, and every objective that trains an autoencoder."""

LEAST_IMAGES = 30
"""Below this neither neighbourhoods nor mixtures can be measured."""

_NEVER = 10**9
_WHERE = "compare"


@dataclass(frozen=True)
class Plan:
    """Everything that determines a comparison, except the time it takes.

    Attributes:
        methods: names out of `METHODS`, in the order of the tables.
        preset, latent: the architecture; None is the paper's width of the code.
        linear_layers: l of "irmae"; None is the preset's.
        data: a source as `minirmae.data.open_dataset` takes it.
        seeds: each method is trained from that many seeds, 0 and up.
        steps, epochs: how long; exactly one of the two.
        batch_size, training_images, crop, engine: of every training.
        settings: settings of objectives, by method.
        evaluation_images: measure on at most that many images, none of which was trained on.
        code_images: densities and classifiers are fitted to the codes of at most that many training images.
        samples: number of codes drawn from each density.
        labels: numbers of labelled images to classify from.
        head_epochs: training of the classifier of codes.
        classifier_steps: training of the classifier of images whose features the Frechet distance takes.
        lines: number of interpolations measured.
        map_images, map_steps: size and length of the t-SNE of the first seed.

    Raises TypeError or ValueError for a field of the wrong type or out of range.
    """

    methods: tuple[str, ...] = METHODS
    preset: str = "shapes"
    latent: int | None = None
    linear_layers: int | None = None
    data: str = "shapes"
    seeds: int = 3
    steps: int | None = None
    epochs: int | None = None
    batch_size: int = 32
    training_images: int | None = None
    crop: int | None = 148
    engine: str = "fast"
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    evaluation_images: int = 2000
    code_images: int = 10_000
    samples: int = 2000
    labels: tuple[int, ...] = (10, 100, 1000, 10_000)
    head_epochs: int = 500
    classifier_steps: int = 2000
    lines: int = 100
    map_images: int = 1000
    map_steps: int = 600

    def __post_init__(self) -> None:
        for method in self.methods:
            require_choice(_WHERE, "method", method, METHODS)
        for method in self.settings:
            require_choice(_WHERE, "method with a setting", method, self.methods)
        if not self.methods or len(set(self.methods)) < len(self.methods):
            raise ValueError(f"{_WHERE}: methods must be named, each once; got {', '.join(self.methods) or 'none'}")
        for name in ("evaluation_images", "code_images", "samples", "map_images"):
            require_int(_WHERE, name, getattr(self, name), LEAST_IMAGES)
        require_positive_int(
            _WHERE,
            **{
                name: getattr(self, name) for name in ("seeds", "head_epochs", "classifier_steps", "lines", "map_steps")
            },
            **{f"number of labels {count}": count for count in self.labels},
        )
        for method in self.methods:
            self.config(method, 0)

    def config(self, method: str, seed: int) -> TrainingConfig:
        """Return the configuration of one run; raises what its parts raise."""
        chosen = recipe("plain" if method in ("ae", "irmae") else method)
        layers = {"ae": 0, "irmae": self.linear_layers}.get(method, chosen.linear_layers)
        fields: dict[str, Any] = {**chosen.training, "settings": dict(self.settings.get(method, {}))}
        fields |= {"steps": self.steps, "epochs": self.epochs, "batch_size": self.batch_size, "seed": seed}
        fields |= {"data": self.data, "training_images": self.training_images, "crop": self.crop, "engine": self.engine}
        # The measures come afterwards; the run's own evaluations only show that it works.
        fields |= {"evaluation_images": min(self.evaluation_images, 200), "evaluate_every": _NEVER}
        return TrainingConfig(ModelConfig.paper(self.preset, self.latent, layers), chosen.name, **fields)

    def classifier_config(self, classes: int) -> TrainingConfig:
        """Return the configuration of the classifier of images; its features are the same for all methods and seeds."""
        fields: dict[str, Any] = {"learning_rate": 1e-3, **recipe("classify").training}
        fields |= {"steps": self.classifier_steps, "epochs": None, "batch_size": 64, "settings": {"classes": classes}}
        fields |= {"data": self.data, "training_images": self.training_images, "crop": self.crop, "engine": self.engine}
        fields |= {"evaluation_images": self.evaluation_images, "evaluate_every": _NEVER}
        return TrainingConfig(ModelConfig.paper(self.preset, linear_layers=0), "classify", **fields)

    def images(self, seed: int) -> tuple[Dataset, Dataset]:
        """Open the images to train on and the images to measure on.

        Raises what opening them raises, and ValueError if there are too few.
        """
        config = self.config(self.methods[0], seed)
        training = training_data(config)
        evaluation = evaluation_data(replace(config, evaluation_images=self.evaluation_images))
        for dataset in (training, evaluation):
            if len(dataset) < LEAST_IMAGES:
                raise ValueError(
                    f"{_WHERE}: {dataset.name} has {len(dataset)} images, at least {LEAST_IMAGES} are needed to "
                    "measure anything"
                )
        return training, evaluation

    def runs(self) -> list[tuple[str, int]]:
        """All (method, seed), the first seed of every method first."""
        return [(method, seed) for seed in range(self.seeds) for method in self.methods]

    def measured(self) -> dict[str, Any]:
        """What an evaluation depends on besides its run; one with another answer is stale."""
        names = ("evaluation_images", "code_images", "samples", "labels", "head_epochs", "classifier_steps", "lines")
        record = self.to_json()
        return {name: record[name] for name in (*names, "map_images", "map_steps")}

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a dict that `json.dumps` takes."""
        settings = {method: dict(values) for method, values in self.settings.items()}
        return {**asdict(self), "methods": list(self.methods), "labels": list(self.labels), "settings": settings}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Return the plan that `to_json` made `record` from."""
        return cls(**{**record, "methods": tuple(record["methods"]), "labels": tuple(record["labels"])})
