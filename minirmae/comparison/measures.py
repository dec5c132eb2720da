"""Everything that is measured of one trained run, in one record; docs/comparison.md says what each measure is.

Where there are fewer images than a measure asks for, it takes those that there are."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minirmae.arrays import Array
from minirmae.comparison.features import Features, classes, features_of
from minirmae.comparison.plan import Plan
from minirmae.data import Dataset, ordered_batches, spread_indices
from minirmae.engine import prepared
from minirmae.layers import LinearStack
from minirmae.measures import (
    accuracy_curve,
    frechet_distance,
    head_predictions,
    interpolate,
    interpolation_roughness,
    probe_predictions,
    reconstruction_error,
    sample_gaussian,
    sample_mixture,
    summarize,
    trustworthiness,
    tsne,
)
from minirmae.measures.rank import THRESHOLD
from minirmae.models.autoencoder import Autoencoder
from minirmae.report.analysis import label
from minirmae.runs import Run

COMPONENTS = 4
"""Gaussians of the mixture, as in the paper."""
NEIGHBOURS = 12
"""Neighbours of a point, for the trustworthiness."""
SHOWN = 10
"""Number of pictures of each kind."""

_MIXTURE_STEPS = 50
_BATCH = 256
_STREAM = 9
_PURPOSES = ("gaussian", "mixture", "lines", "map", "shown")


@dataclass(frozen=True)
class Measured:
    """Measures of one run.

    Attributes:
        record: the measures, as JSON takes them.
        pictures: by what they show, uint8 (pictures, H, W, C); and the "map" (N, 2) with its "map_labels", if any.
    """

    record: dict[str, Any]
    pictures: dict[str, Array]


def measure(plan: Plan, run: Run, method: str, features: Features, *, with_map: bool) -> Measured:
    """Measure `run` on the images of `plan`.

    A measure that the codes do not allow (such as a mixture of codes that are all
    the same) is None, and `notes` of the record says why.

    Raises what opening the checkpoint and the data raises.
    """
    seed, trained, notes = run.config.seed, run.model(), _Notes()
    model = prepared(trained, plan.engine)
    training, evaluation = plan.images(seed)
    h, z = _codes(model, training, plan.code_images)
    test_h, test_z = _codes(model, evaluation, len(evaluation))
    densities = {
        "gaussian": lambda rng: sample_gaussian(z, plan.samples, rng),
        "mixture": lambda rng: sample_mixture(z, plan.samples, rng, COMPONENTS, max_iterations=_MIXTURE_STEPS),
    }
    drawn = {name: notes.attempt(f"samples, {name}", draw, _rng(name, seed)) for name, draw in densities.items()}
    ranks = summarize(test_z)
    lines = _rng("lines", seed).permutation(len(evaluation))[: 2 * min(plan.lines, len(evaluation) // 2)]
    roughness = functools.partial(interpolation_roughness, model.decode, test_z[lines[::2]], test_z[lines[1::2]])
    record: dict[str, Any] = {
        "method": method,
        "label": label(run),
        "seed": seed,
        "step": run.checkpoint().step,
        "measured": plan.measured(),
        "optimizer": run.config.optimizer,
        "learning_rate": run.config.learning_rate,
        "parameters": int(model.values.size),
        "seconds": run.history()[-1]["seconds"],
        "reconstruction_error": reconstruction_error(model, evaluation),
        "rank": ranks.numerical_ranks[THRESHOLD],
        "effective_rank": ranks.effective_rank,
        "eigenvalues": list(ranks.eigenvalues),
        "frechet": _frechet(plan, model, features, training, evaluation, {"reconstruction": test_z, **drawn}, notes),
        "roughness": roughness(),
    }
    if classes(training) is not None:
        # The paper classifies the codes before the linear layers; a bottleneck of another kind is part of the encoder.
        linear = isinstance(trained.bottleneck, LinearStack)
        codes, test_codes = (h, test_h) if linear else (z, test_z)
        arrays = codes, _labels(training)[: len(codes)], test_codes, _labels(evaluation)
        head = functools.partial(head_predictions, epochs=plan.head_epochs, seed=seed)
        record["accuracy"] = {
            name: {
                str(count): notes.attempt(f"accuracy, {name}, {count} labels", _accuracy, predictor, arrays, count)
                for count in plan.labels
                if count <= len(codes)
            }
            for name, predictor in (("head", head), ("probe", probe_predictions))
        }
    shown = _rng("shown", seed).choice(len(evaluation), SHOWN, replace=False)
    pictures = _pictures(model, evaluation.batch(shown, np.float32), test_z[shown], drawn)
    if with_map:
        chosen = spread_indices(len(evaluation), plan.map_images)
        points = tsne(
            test_z[chosen],
            rng=_rng("map", seed),
            perplexity=min(30.0, len(chosen) / 4),
            iterations=plan.map_steps,
        ).points
        record["trustworthiness"] = trustworthiness(test_z[chosen], points, NEIGHBOURS)
        pictures["map"] = points
        if evaluation.labels is not None:
            pictures["map_labels"] = evaluation.labels[chosen]
    return Measured({**record, "notes": notes.lines}, pictures)


class _Notes:
    """Reasons why measures could not be taken."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def attempt(self, what: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return what the function returns; None, with a note, if it raises ValueError."""
        try:
            return function(*arguments)
        except ValueError as error:
            self.lines.append(f"{what}: {error}")
            return None


def _rng(purpose: str, seed: int) -> np.random.Generator:
    """Return the generator of `purpose`: one for each, so that leaving out one measure changes no other."""
    return np.random.default_rng([_STREAM, _PURPOSES.index(purpose), seed])


def _codes(model: Autoencoder, dataset: Dataset, count: int) -> tuple[Array, Array]:
    """Return the codes h and z of the first `count` images, or of all if there are no more."""
    parts = [
        model.encode_hidden(dataset.batch(indices, model.dtype))
        for indices in ordered_batches(min(count, len(dataset)), _BATCH)
    ]
    h = np.concatenate(parts)
    return h, model.transform(h)


def _frechet(
    plan: Plan,
    model: Autoencoder,
    features: Features,
    training: Dataset,
    evaluation: Dataset,
    codes: dict[str, Array | None],
    notes: _Notes,
) -> dict[str, float | None]:
    """Return the Frechet distances to the evaluation images, of decoded codes of each kind and of training images."""
    real = features_of(features, evaluation, len(evaluation))

    def distance(z: Array) -> float:
        # Features are those of the pictures as they are shown, with values clipped to [0, 1].
        parts = [features(np.clip(model.decode(z[i : i + _BATCH]), 0, 1)) for i in range(0, len(z), _BATCH)]
        return frechet_distance(np.concatenate(parts), real)

    distances = {
        name: None if z is None else notes.attempt(f"frechet, {name}", distance, z) for name, z in codes.items()
    }
    return {**distances, "real": frechet_distance(features_of(features, training, plan.samples), real)}


def _accuracy(predictor: Any, arrays: tuple[Array, Array, Array, Array], count: int) -> float:
    return accuracy_curve(predictor, *arrays, counts=(count,))[count]


def _labels(dataset: Dataset) -> Array:
    assert dataset.labels is not None  # `classes` has counted them
    return dataset.labels


def _pictures(model: Autoencoder, images: Array, z: Array, drawn: dict[str, Array | None]) -> dict[str, Array]:
    """Return the pictures to show: images, their reconstructions, a line between the first two, the first samples."""
    line = interpolate(z[:1], z[1:2])[0]
    codes = {"reconstruction": z, "interpolation": line, **{k: v[:SHOWN] for k, v in drawn.items() if v is not None}}
    pictures = {"original": images, **{name: model.decode(chosen) for name, chosen in codes.items()}}
    return {name: np.round(255 * np.clip(array, 0, 1)).astype(np.uint8) for name, array in pictures.items()}
