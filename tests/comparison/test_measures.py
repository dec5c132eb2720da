"""Every number of a record, taken again from the run directory by other means."""

from types import SimpleNamespace

import numpy as np
import pytest
from comparison_tiny import tiny_plan
from hypothesis import example, given, settings
from hypothesis import strategies as st

from minirmae.comparison.features import make_features, open_features
from minirmae.comparison.measures import measure
from minirmae.comparison.paths import Paths
from minirmae.comparison.plan import LEAST_IMAGES, Plan
from minirmae.data import shapes
from minirmae.engine import prepared
from minirmae.measures import fit_linear_probe
from minirmae.runs import Run, make_model, train


class Vivid(Run):
    """A run whose codes are so large that a decoder of a few steps makes different pictures of them."""

    def model(self):
        model = super().model()
        model.bottleneck.parameters["W"].value[...] *= 8
        return model


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    plan, paths = tiny_plan(), Paths(tmp_path_factory.mktemp("comparison"))
    make_features(plan, paths)
    trained = train(plan.config("irmae", 0), paths.run("irmae", 0))
    run = Vivid(trained.directory, trained.config)
    features = open_features(paths)
    return plan, run, features, measure(plan, run, "irmae", features, with_map=True)


def images():
    """What the tiny plan trains on and measures on: the evaluation images are spread over all 10,000."""
    evaluation = shapes(10_000, seed=0, split="evaluation").batch(np.arange(40) * 250, np.float32)
    return shapes(40, seed=0).batch(range(40)), evaluation


def test_error_and_ranks(measured):
    _, run, _, found = measured
    model, (_, x) = prepared(run.model()), images()
    error = np.mean((model.reconstruct(x).astype(np.float64) - x) ** 2)
    assert found.record["reconstruction_error"] == pytest.approx(error, rel=1e-6)
    eigenvalues = np.linalg.eigvalsh(np.cov(model.encode(x).T.astype(np.float64)))[::-1]
    np.testing.assert_allclose(found.record["eigenvalues"], np.maximum(eigenvalues, 0), atol=1e-9 * eigenvalues[0])
    assert found.record["rank"] == (eigenvalues > 1e-3 * eigenvalues[0]).sum()
    p = np.sqrt(np.maximum(eigenvalues, 0))
    p = p[p > 0] / p.sum()
    assert found.record["effective_rank"] == pytest.approx(np.exp(-(p * np.log(p)).sum()), rel=1e-4)


def distance(a, b):
    """The Frechet distance by the product's eigenvalues."""
    root = np.sqrt(np.maximum(np.linalg.eigvals(np.cov(a.T) @ np.cov(b.T)).real, 0)).sum()
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + np.cov(a.T).trace() + np.cov(b.T).trace() - 2 * root


def test_frechet_distances(measured):
    _, run, features, found = measured
    model, (training, x) = run.model(), images()
    real = features(x).astype(np.float64)
    rebuilt = features(np.clip(model.reconstruct(x), 0, 1)).astype(np.float64)
    frechet = found.record["frechet"]
    assert frechet["reconstruction"] == pytest.approx(distance(rebuilt, real), rel=1e-6)
    assert frechet["real"] == pytest.approx(distance(features(training).astype(np.float64), real), rel=1e-6)
    assert set(frechet) == {"reconstruction", "gaussian", "mixture", "real"}
    assert min(frechet.values()) > 0


def test_accuracy_is_of_codes_before_the_linear_layers(measured):
    _, run, _, found = measured
    model, (training, x) = run.model(), images()
    labels = shapes(10_000, seed=0, split="evaluation").labels[np.arange(40) * 250]
    probe = fit_linear_probe(model.encode_hidden(training[:20]), shapes(40, seed=0).labels[:20])
    expected = np.mean(probe.predict(model.encode_hidden(x)) == labels)
    assert found.record["accuracy"]["probe"] == {"20": pytest.approx(expected)}
    assert 0 <= found.record["accuracy"]["head"]["20"] <= 1


def test_what_identifies_the_run(measured):
    plan, run, _, found = measured
    record = found.record
    assert (record["method"], record["label"], record["seed"], record["step"]) == ("irmae", "IRMAE (l = 4)", 0, 12)
    assert (record["optimizer"], record["learning_rate"]) == ("adam", 1e-4)
    assert record["seconds"] == run.history()[-1]["seconds"] > 0
    assert record["parameters"] == run.model().values.size
    assert record["measured"] == plan.measured()
    assert 0 <= record["roughness"] <= 4
    assert 0 <= record["trustworthiness"] <= 1
    assert record["notes"] == []


def test_pictures(measured):
    found = measured[3].pictures
    _, x = images()
    assert {name: len(found[name]) for name in ("original", "reconstruction", "gaussian", "mixture")} == dict.fromkeys(
        ("original", "reconstruction", "gaussian", "mixture"), 10
    )
    assert found["interpolation"].shape == (11, 32, 32, 3)
    assert all(array.dtype == np.uint8 for name, array in found.items() if "map" not in name)
    assert all((np.abs(x - original / 255.0) < 1e-6).all(axis=(1, 2, 3)).any() for original in found["original"])
    # The line runs from the second image's reconstruction to the first's.
    np.testing.assert_array_equal(found["interpolation"][[0, -1]], found["reconstruction"][[1, 0]])
    assert found["map"].shape == (30, 2)
    assert found["map_labels"].shape == (30,)


def test_a_repetition_gives_the_same(measured):
    plan, run, features, found = measured
    again = measure(plan, run, "irmae", features, with_map=False)
    assert again.record == {name: value for name, value in found.record.items() if name != "trustworthiness"}
    assert "map" not in again.pictures


def test_codes_that_do_not_vary_leave_holes_with_a_note(measured, monkeypatch):
    plan, run, features, _ = measured
    model = run.model()
    for parameter in model.bottleneck.parameters.values():
        parameter.value[...] = 0
    monkeypatch.setattr(type(run), "model", lambda self: model)
    record = measure(plan, run, "irmae", features, with_map=True).record
    assert record["frechet"]["mixture"] is None
    assert record["frechet"]["reconstruction"] > 0
    assert record["rank"] == 0
    assert any(note.startswith("samples, mixture: ") and "do not vary" in note for note in record["notes"])


def test_images_without_labels_leave_the_accuracy_out(tmp_path):
    np.save(tmp_path / "images.npy", np.random.default_rng(0).integers(0, 256, (400, 32, 32, 3), dtype=np.uint8))
    plan, paths = tiny_plan(data=str(tmp_path / "images.npy")), Paths(tmp_path)
    make_features(plan, paths)
    run = train(plan.config("ae", 0), paths.run("ae", 0))
    found = measure(plan, run, "ae", open_features(paths), with_map=True)
    assert "accuracy" not in found.record
    assert "map_labels" not in found.pictures
    assert found.record["frechet"]["gaussian"] > 0


class Untrained:
    """A run that has taken no step."""

    def __init__(self, config):
        self.config = config

    def model(self):
        return make_model(self.config)

    def checkpoint(self):
        return SimpleNamespace(step=0)

    def history(self):
        return [{"seconds": 0.0}]


COUNTS = st.integers(LEAST_IMAGES, 160)


@settings(max_examples=6)
@given(training=COUNTS, evaluation=COUNTS, wanted=COUNTS, mapped=st.sampled_from([LEAST_IMAGES, 100, Plan.map_images]))
@example(training=LEAST_IMAGES, evaluation=LEAST_IMAGES, wanted=160, mapped=Plan.map_images)
@example(training=40, evaluation=155, wanted=40, mapped=Plan.map_images)
@example(training=40, evaluation=160, wanted=40, mapped=159)
def test_fewer_images_than_a_measure_asks_for_are_all_taken(training, evaluation, wanted, mapped):
    asked = {"code_images": wanted, "samples": wanted, "lines": wanted, "map_images": mapped}
    plan = tiny_plan(labels=(10, wanted), head_epochs=1, map_steps=2, **asked)
    sets = shapes(training, seed=0), shapes(evaluation, seed=0, split="evaluation")
    seen = []

    def features(images):
        seen.append(len(images))
        return images.mean(axis=(1, 2))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Plan, "images", lambda self, seed: sets)
        found = measure(plan, Untrained(plan.config("irmae", 0)), "irmae", features, with_map=True)
    shown = min(evaluation, mapped)
    assert found.pictures["map"].shape == (shown, 2)
    np.testing.assert_array_equal(found.pictures["map_labels"], sets[1].labels[np.arange(shown) * evaluation // shown])
    assert 0 <= found.record["trustworthiness"] <= 1
    assert 0 <= found.record["roughness"] <= 4
    counts = [str(count) for count in sorted({10, wanted}) if count <= min(training, wanted)]
    assert [list(found.record["accuracy"][name]) for name in ("head", "probe")] == [counts, counts]
    # Features of test images and their reconstructions, of both kinds of samples, and of training images.
    assert sum(seen) == 2 * evaluation + 2 * wanted + min(training, wanted)
    assert found.record["notes"] == []
