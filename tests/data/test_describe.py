"""Summaries equal what NumPy says of the whole; problems are all listed."""

import json

import numpy as np
import pytest
from tiny_mnist import NAMES, write_tiny_mnist

from minirmae.data import ArrayDataset, describe, problems, write_idx
from minirmae.data.published import PUBLISHED


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_summary_equals_numpys(dtype):
    images = np.random.default_rng(0).integers(10, 200, (600, 3, 4, 2)).astype(dtype)
    images = images if dtype == np.uint8 else images / np.float32(255)
    labels = np.arange(600) % 3
    summary = describe(ArrayDataset(images, labels, "noise"))
    values = images / 255.0 if dtype == np.uint8 else images.astype(np.float64)
    assert json.loads(json.dumps(summary)) == summary
    assert summary["name"] == "noise"
    assert (summary["count"], summary["shape"], summary["measured"]) == (600, [3, 4, 2], 600)
    assert (summary["dtype"], summary["labels"]) == (np.dtype(dtype).name, {"0": 200, "1": 200, "2": 200})
    for key, expected in (
        ("mean", values.mean()),
        ("std", values.std()),
        ("minimum", values.min()),
        ("maximum", values.max()),
    ):
        assert summary[key] == pytest.approx(expected, rel=1e-12)


def test_a_large_set_is_measured_on_images_spread_over_all_of_it():
    ramp = np.linspace(0, 1, 1001).reshape(1001, 1, 1, 1)
    summary = describe(ArrayDataset(ramp), measured=11)
    assert (summary["count"], summary["measured"]) == (1001, 11)
    assert (summary["minimum"], summary["maximum"]) == (0, 1)
    assert summary["mean"] == pytest.approx(0.5)


def test_any_data_set_can_be_described():
    class Constant:
        name, shape, labels = "constant", (2, 2, 1), None

        def __len__(self) -> int:
            return 3

        def batch(self, indices, dtype=np.float32):
            return np.full((len(indices), 2, 2, 1), 0.25, dtype=dtype)

    summary = describe(Constant())
    assert (summary["mean"], summary["std"], summary["dtype"], summary["labels"]) == (0.25, 0, None, None)


def test_labels_that_are_no_classes_are_not_listed():
    images = np.zeros((1001, 1, 1, 1), dtype=np.uint8)
    assert describe(ArrayDataset(images, np.arange(1001)))["labels"] is None


def test_a_sound_directory_has_no_problems(tmp_path):
    write_tiny_mnist(tmp_path)
    assert list(problems(str(tmp_path))) == []


def test_every_problem_of_a_directory_is_listed(tmp_path):
    write_tiny_mnist(tmp_path)
    (tmp_path / NAMES[0]).write_bytes((tmp_path / NAMES[0]).read_bytes()[:-3])
    write_idx(tmp_path / NAMES[3], np.zeros(9, dtype=np.uint8))
    first, second = problems(str(tmp_path))
    assert first.startswith("train: ")
    assert "gzip stream ends early" in first
    assert second.startswith("evaluation: ")
    assert "do not belong together" in second


def test_every_broken_image_is_listed(tmp_path):
    image = pytest.importorskip("PIL.Image")
    for i in range(20):
        image.fromarray(np.random.default_rng(i).integers(0, 256, (64, 64, 3)).astype(np.uint8)).save(
            tmp_path / f"{i:02d}.png"
        )
    broken = [tmp_path / f"{i:02d}.png" for i in (0, 2, 7, 19)]
    for path in broken:
        path.write_bytes(path.read_bytes()[:-900])
    broken[1].write_bytes(b"no image at all")
    found = list(problems(str(tmp_path), evaluation_fraction=0.3))
    assert sorted(line.split(": ")[0] for line in found) == [str(path) for path in broken]


def test_a_named_set_is_compared_with_the_published_one(tmp_path, monkeypatch):
    monkeypatch.setitem(PUBLISHED, "mnist", write_tiny_mnist(tmp_path))
    monkeypatch.setenv("MINIRMAE_DATA", str(tmp_path))
    assert list(problems("mnist")) == []
    write_idx(tmp_path / NAMES[0], np.zeros((6, 28, 28), dtype=np.uint8))
    (problem,) = problems("mnist")
    assert f"{tmp_path / NAMES[0]}: is not the published" in problem


def test_a_source_that_does_not_exist_is_one_problem(tmp_path):
    (problem,) = problems(str(tmp_path / "nothing"))
    assert "no such data" in problem


def test_generated_data_have_no_problems():
    assert list(problems("shapes", count=3)) == []


def test_a_folder_too_small_to_split_is_a_problem(tmp_path):
    pytest.importorskip("PIL.Image").new("RGB", (8, 8)).save(tmp_path / "only.png")
    assert [line.split(":")[0] for line in problems(str(tmp_path))] == ["train", "evaluation"]
