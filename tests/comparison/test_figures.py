"""Grids and maps of a comparison."""

import numpy as np
import pytest

from minirmae.comparison.figures import map_figure, picture_grid
from minirmae.report.plots import save_figure

pytest.importorskip("matplotlib")


def test_rows_are_methods_and_originals_stand_above_reconstructions():
    some = {name: np.full((3, 8, 8, 1), value, np.uint8) for name, value in (("original", 10), ("reconstruction", 20))}
    figure = picture_grid("reconstruction", {"AE": some, "VAE": some})
    assert [text.get_text() for text in figure.texts] == ["original", "AE", "VAE"]
    shown = figure.axes[0].images[0].get_array()
    np.testing.assert_allclose(shown[[0, 9, 18], 0, 0], np.array([10, 20, 20]) / 255, atol=1e-6)
    assert picture_grid("mixture", {"AE": some}) is None


def test_a_panel_a_map_with_digits_for_classes(tmp_path):
    rng = np.random.default_rng(0)
    maps = {f"method {k}": (rng.normal(size=(20, 2)), np.arange(20) % 3, 0.5) for k in range(5)}
    maps["unlabelled"] = (rng.normal(size=(20, 2)), None, 0.9)
    maps["many classes"] = (rng.normal(size=(20, 2)), np.arange(20), 0.9)
    figure = map_figure(maps)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == [f"method {k}: 0.500" for k in range(5)] + ["unlabelled: 0.900", "many classes: 0.900", ""]
    assert [len(axes.collections) for axes in figure.axes] == [3] * 5 + [1, 20, 0]
    np.testing.assert_array_equal(figure.axes[0].collections[1].get_offsets(), maps["method 0"][0][1::3])
    save_figure(figure, tmp_path / "maps.png")
