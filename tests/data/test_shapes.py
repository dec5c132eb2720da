"""The shapes are the paper's: pixel by pixel, in the stated ranges, and never shared between splits."""

from importlib import import_module

import numpy as np
import pytest

from minirmae.data import Factors, draw_factors, render, shapes

# The package re-exports a function of the same name, which hides the module.
module = import_module("minirmae.data.shapes")


def drawn_by_hand(kind: int, colour: np.ndarray, x: int, y: int, size: int, side: int) -> np.ndarray:
    """One image, one pixel at a time."""
    image = np.zeros((side, side, 3), dtype=np.uint8)
    for row in range(side):
        for column in range(side):
            circle = (column - x) ** 2 + (row - y) ** 2 <= size**2
            square = x <= column <= x + size and y <= row <= y + size
            if square if kind else circle:
                image[row, column] = colour
    return image


@pytest.mark.parametrize("side", [32, 16])
def test_images_equal_their_factors_drawn_pixel_by_pixel(side, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK", 7)
    data = shapes(20, seed=3, size=side)
    f = data.factors
    assert set(f.kind) == {0, 1}
    for i, image in enumerate(data.images):
        assert np.array_equal(image, drawn_by_hand(f.kind[i], f.colour[i], f.x[i], f.y[i], f.size[i], side))


def test_a_known_circle_and_square():
    white = np.full((2, 3), 255, dtype=np.uint8)
    two = np.array([10, 10])
    images = render(Factors(np.array([0, 1]), white, two, two + 1, np.array([3, 3])))
    # Rows of a disc of radius 3 are 1, 5, 5, 7, 5, 5, 1 pixels long; a square of side 3 has 4 x 4 pixels.
    assert (images[0, :, :, 0] > 0).sum(axis=1)[8:15].tolist() == [1, 5, 5, 7, 5, 5, 1]
    assert (images[1] > 0).sum() == 16 * 3
    assert (images[1, 11:15, 10:14] == 255).all()


def test_factors_fill_their_ranges_evenly():
    f = draw_factors(50_000, seed=0)
    for factor, low, high in ((f.kind, 0, 1), (f.x, 8, 24), (f.y, 8, 24), (f.size, 3, 8), (f.colour[:, 1], 0, 255)):
        values, counts = np.unique(factor, return_counts=True)
        assert (values.min(), values.max(), len(values)) == (low, high, high - low + 1)
        # Chi-squared with k degrees of freedom has mean k and variance 2k; five sigma.
        degrees = high - low
        expected = 50_000 / (degrees + 1)
        assert ((counts - expected) ** 2 / expected).sum() < degrees + 5 * np.sqrt(2 * degrees)


def test_factors_are_independent():
    f = draw_factors(20_000, seed=1)
    table = np.column_stack([f.kind, f.colour, f.x, f.y, f.size]).astype(float)
    correlations = np.corrcoef(table.T) - np.eye(7)
    # Each of the 21 has standard deviation 1/sqrt(20000).
    assert np.abs(correlations).max() < 5 / np.sqrt(20_000)


def test_evaluation_images_never_come_from_the_training_stream():
    rows = {}
    for split in ("train", "evaluation"):
        f = draw_factors(2000, seed=0, split=split)
        rows[split] = {tuple(row) for row in np.column_stack([f.kind, f.colour, f.x, f.y, f.size]).tolist()}
    assert not rows["train"] & rows["evaluation"]
    evaluation = draw_factors(50, seed=0, split="evaluation").x.tolist()
    assert all(draw_factors(50, seed=seed).x.tolist() != evaluation for seed in range(50))


def test_the_seed_decides_and_a_shorter_draw_is_the_beginning_of_a_longer_one():
    assert np.array_equal(shapes(10, seed=5).images, shapes(30, seed=5).images[:10])
    assert not np.array_equal(shapes(10, seed=5).images, shapes(10, seed=6).images)


def test_the_data_set_is_bytes_with_kinds_as_labels():
    data = shapes(8, seed=0, split="evaluation")
    assert (data.name, data.shape, data.dtype) == ("shapes/evaluation", (32, 32, 3), np.uint8)
    assert np.array_equal(data.labels, data.factors.kind)
    assert data.batch(range(8)).max() <= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, "count must be an integer of at least 1"),
        ({"seed": -1}, "seed must be an integer of at least 0"),
        ({"split": "test"}, "split must be one of train, evaluation"),
        ({"size": 8}, "size must be at least 16 pixels"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        shapes(**({"count": 4, "seed": 0} | arguments))
