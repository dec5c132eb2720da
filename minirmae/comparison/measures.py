"""Everything that is measured of one trained run, in one record; docs/comparison.md says what each measure is."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minirmae.arrays import Array
from minirmae.comparison.features import Features, classes, features_of
from minirmae.comparison.plan import Plan
from minirmae.data import Dataset, ordered_batches
from minirmae.layers import LinearStack
from minirmae.measures import accuracy_curve, frechet_distance, head_predictions, probe_predictions, sampling
from minirmae.measures.mixture import fit_mixture
from minirmae.measures.rank import summarize
from minirmae.measures.reconstruction import reconstruction_error
from minirmae.measures.smoothness import interpolation_roughness
from minirmae.measures.trustworthiness import trustworthiness
from minirmae.measures.tsne import tsne
from minirmae.models.autoencoder import Autoencoder
from minirmae.report.analysis import label
from minirmae.runs import Run

THRESHOLD = 1e-3
"""The rank counts the eigenvalues above this fraction of the largest."""
COMPONENTS = 4
"""Gaussians of the mixture, as in the paper."""
NEIGHBOURS = 12
"""Of the trustworthiness."""
SHOWN = 10
"""Pictures of each kind."""

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

    A measure that its codes do not allow (a mixture of codes that are all the
    same, say) is None, and `notes` of the record says why.

    Raises what opening checkpoint and data raises.
    """
    seed, model, notes = run.config.seed, run.model(), _Notes()
    training, evaluation = plan.images(seed)
    h, z = _codes(model, training, plan.code_images)
    test_h, test_z = _codes(model, evaluation, len(evaluation))
    densities = {
        "gaussian": lambda rng: sampling.gaussian(z, plan.samples, rng),
        "mixture": lambda rng: _mixture(z, plan.samples, rng),
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
        # The paper reads the codes from before the linear layers; a bottleneck of another kind is part of the code.
        linear = isinstance(model.bottleneck, LinearStack)
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
        chosen = np.arange(min(plan.map_images, len(evaluation))) * len(evaluation) // plan.map_images
        chosen = np.unique(chosen)
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
    """Why measures could not be taken."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def attempt(self, what: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return what the function returns; None, with a note, if it refuses its arguments."""
        try:
            return function(*arguments)
        except ValueError as error:
            self.lines.append(f"{what}: {error}")
            return None


def _rng(purpose: str, seed: int) -> np.random.Generator:
    """Every purpose has a stream of its own, so that leaving one measure out changes no other."""
    return np.random.default_rng([_STREAM, _PURPOSES.index(purpose), seed])


def _codes(model: Autoencoder, dataset: Dataset, count: int) -> tuple[Array, Array]:
    """Codes h and z of the first `count` images, or of all if there are no more."""
    parts = [
        model.encode_hidden(dataset.batch(indices, model.dtype))
        for indices in ordered_batches(min(count, len(dataset)), _BATCH)
    ]
    h = np.concatenate(parts)
    return h, model.transform(h)


def _mixture(z: Array, count: int, rng: np.random.Generator) -> Array:
    mixture = fit_mixture(z, COMPONENTS, rng=rng, max_iterations=_MIXTURE_STEPS)
    return mixture.sample(count, rng).astype(z.dtype)


def _frechet(
    plan: Plan,
    model: Autoencoder,
    features: Features,
    training: Dataset,
    evaluation: Dataset,
    codes: dict[str, Array | None],
    notes: _Notes,
) -> dict[str, float | None]:
    """Distances to the evaluation images, of what the decoder makes of each set of codes and of training images."""
    real = features_of(features, evaluation, len(evaluation))

    def distance(z: Array) -> float:
        # Features are taken of pictures as they are shown: values outside [0, 1] are cut.
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
    """The pictures to show: images, what becomes of them, a line between the first two, and the first samples."""
    line = sampling.interpolate(z[:1], z[1:2])[0]
    codes = {"reconstruction": z, "interpolation": line, **{k: v[:SHOWN] for k, v in drawn.items() if v is not None}}
    pictures = {"original": images, **{name: model.decode(chosen) for name, chosen in codes.items()}}
    return {name: np.round(255 * np.clip(array, 0, 1)).astype(np.uint8) for name, array in pictures.items()}
