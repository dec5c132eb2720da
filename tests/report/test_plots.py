import subprocess
import sys

import numpy as np
import pytest

from minirmae.report.plots import (
    image_grid,
    loss_figure,
    pairs_figure,
    rank_over_steps_figure,
    save_figure,
    spectrum_figure,
)

pytest.importorskip("matplotlib")
Image = pytest.importorskip("PIL.Image")

SPECTRA = {
    "autoencoder": 7.0 * np.exp(-np.arange(16) / 3),
    "IRMAE, l = 4": np.array([2.0, 1.0, 0.5, 1e-3] + [0.0] * 12),
}


def pixels(figure, path):
    save_figure(figure, path)
    return np.asarray(Image.open(path).convert("RGB"), dtype=int)


def test_both_panels_show_the_relative_spectrum():
    figure = spectrum_figure(SPECTRA)
    linear, log = figure.axes
    assert linear.get_yscale() == "linear"
    assert linear.get_ylim()[1] == 0.4
    assert log.get_yscale() == "log"
    assert log.get_ylim()[0] == 1e-6
    for axes in figure.axes:
        for line, values in zip(axes.lines, SPECTRA.values(), strict=False):
            np.testing.assert_array_equal(line.get_xdata(), np.arange(1, 17))
            np.testing.assert_allclose(line.get_ydata(), values / values[0], atol=1e-29)
    assert [line.get_ydata()[0] for line in log.lines[2:]] == [1e-2, 1e-3, 1e-4]


def test_the_legend_counts_the_values_above_each_threshold():
    (legend,) = spectrum_figure(SPECTRA, thresholds=(1e-2, 1e-4)).legends
    assert legend.get_title().get_text() == "values above\n0.01 / 0.0001"
    assert [text.get_text() for text in legend.get_texts()] == ["autoencoder\n14 / 16", "IRMAE, l = 4\n3 / 4"]


def test_one_panel_without_the_logarithm():
    assert len(spectrum_figure(SPECTRA, logarithmic=False).axes) == 1


def test_a_spectrum_of_zeros_and_one_out_of_order_are_drawn(tmp_path):
    figure = spectrum_figure({"collapsed": np.zeros(4), "reversed": np.array([1.0, 2.0, 4.0])})
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), 0, atol=1e-29)
    np.testing.assert_array_equal(figure.axes[0].lines[1].get_ydata(), [1, 0.5, 0.25])
    save_figure(figure, tmp_path / "figure.png")


def test_no_two_series_look_the_same():
    figure = spectrum_figure({str(k): np.ones(3) for k in range(35)}, logarithmic=False)
    looks = {(line.get_color(), line.get_marker(), str(line._unscaled_dash_pattern)) for line in figure.axes[0].lines}
    assert len(looks) == 35


def test_many_points_get_few_markers():
    (line,) = spectrum_figure({"celeba": np.ones(512)}, logarithmic=False).axes[0].lines
    assert len(np.arange(512)[:: line.get_markevery()]) <= 40
    (line,) = spectrum_figure({"shapes": np.ones(32)}, logarithmic=False).axes[0].lines
    assert line.get_markevery() == 1


def test_histories_are_drawn_as_they_are():
    histories = {"l = 0": ([0, 10, 20], [3, 5, 6]), "l = 4": (np.array([0, 20]), np.array([1, 2]))}
    axes = rank_over_steps_figure(histories, measure="values above 0.001 of the largest").axes[0]
    assert axes.get_ylabel() == "values above 0.001 of the largest"
    assert axes.get_xlabel() == "training steps"
    assert axes.get_ylim()[0] == 0
    for line, (label, (steps, values)) in zip(axes.lines, histories.items(), strict=True):
        assert line.get_label() == label
        np.testing.assert_array_equal(line.get_xdata(), steps)
        np.testing.assert_array_equal(line.get_ydata(), values)
    axes = loss_figure(histories, title="Loss").axes[0]
    assert axes.get_yscale() == "log"
    assert axes.get_title(loc="left") == "Loss"


def test_every_image_pixel_becomes_the_same_square_of_figure_pixels(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32, 3)) / 255
    picture = pixels(image_grid(images), tmp_path / "grid.png")
    zoom, gap, margin = 3, 1, 16
    assert picture.shape == (2 * margin + zoom * (2 * 32 + gap), 2 * margin + zoom * (3 * 32 + 2 * gap), 3)
    for row in range(2):
        for column in range(3):
            top, left = margin + zoom * row * (32 + gap), margin + zoom * column * (32 + gap)
            shown = picture[top : top + 96, left : left + 96]
            expected = np.round(images[row, column] * 255).repeat(zoom, axis=0).repeat(zoom, axis=1)
            np.testing.assert_allclose(shown, expected, atol=1)
    assert (picture[:margin] == 255).all()
    assert (picture[:, margin + 96 : margin + 99] == 255).all()


def test_grey_is_grey_and_values_are_clipped(tmp_path):
    images = np.array([-0.5, 0.5, 1.5], dtype=np.float32).reshape(1, 3, 1, 1, 1) * np.ones((8, 8, 1), np.float32)
    picture = pixels(image_grid(images), tmp_path / "grey.png")
    assert (picture[..., 0] == picture[..., 1]).all()
    assert (picture[..., 0] == picture[..., 2]).all()
    zoom = 12
    left = 16 + zoom // 2 + zoom * 9 * np.arange(3)
    np.testing.assert_allclose(picture[20, left, 0], [0, 127.5, 255], atol=1)


def test_row_labels_and_title_stay_inside_and_off_the_images(tmp_path):
    images = np.zeros((2, 2, 32, 32, 1))
    plain = pixels(image_grid(images), tmp_path / "plain.png")
    labelled = pixels(image_grid(images, row_labels=["original", "W" * 30], title="Samples"), tmp_path / "labelled.png")
    height, width = plain.shape[0] - 32, plain.shape[1] - 32
    left, top = labelled.shape[1] - 16 - width, labelled.shape[0] - 16 - height
    np.testing.assert_array_equal(labelled[top : top + height, left : left + width], plain[16:-16, 16:-16])
    assert (labelled[:, :10] == 255).all()  # the longest label does not run off the page
    assert (labelled[:, left - 8 : left][top:] == 255).all()
    assert (labelled[top:, :left].min(axis=(0, 2)) < 128).any()  # and is there
    assert labelled[:top].min() < 128


def test_pairs_put_originals_above_reconstructions(tmp_path):
    originals, reconstructions = np.ones((4, 8, 8, 3)), np.zeros((4, 8, 8, 3))
    figure = pairs_figure(originals, reconstructions, title="Test images")
    shown = figure.axes[0].images[0].get_array()
    assert (shown[:8, :8] == 1).all()
    assert (shown[9:, :8] == 0).all()
    assert [text.get_text() for text in figure.texts] == ["original", "reconstruction"]
    with pytest.raises(ValueError, match=r"pairs_figure: reconstructions must have shape \(4, 8, 8, 3\)"):
        pairs_figure(originals, reconstructions[:3])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: spectrum_figure({}), ValueError, "spectrum_figure: spectra must be a mapping of at least one"),
        (lambda: spectrum_figure([np.ones(3)]), ValueError, "spectrum_figure: spectra must be a mapping"),
        (lambda: spectrum_figure({"a": [1.0, -1.0]}), ValueError, "spectrum must be finite, at least 0"),
        (lambda: loss_figure({}), ValueError, "loss_figure: histories must be a mapping"),
        (lambda: loss_figure({"a": ([1, 2], [1.0])}), ValueError, "'a' must hold as many values as steps"),
        (lambda: rank_over_steps_figure({"a": ([], [])}), ValueError, "'a' must hold as many values as steps"),
        (lambda: image_grid(np.ones((2, 4, 4, 1))), ValueError, "5 axes"),
        (lambda: image_grid(np.ones((1, 2, 4, 4, 2))), ValueError, "channels must be one of 1, 3; got 2"),
        (lambda: image_grid(np.ones((0, 2, 4, 4, 1))), ValueError, "finite and not empty"),
        (lambda: image_grid(np.full((1, 1, 4, 4, 1), np.nan)), ValueError, "finite and not empty"),
        (lambda: image_grid(np.ones((1, 1, 4, 4, 1), np.uint8)), TypeError, "images must hold floats, got uint8"),
        (lambda: image_grid(np.ones((2, 1, 4, 4, 1)), row_labels=["a"]), ValueError, "2 labels.*got 1"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_importing_the_figures_loads_no_matplotlib_and_drawing_no_pyplot():
    code = (
        "import sys, minirmae.report.plots as p; print('matplotlib' in sys.modules); "
        "p.spectrum_figure({'a': [1.0, 0.5]}); print('matplotlib' in sys.modules, 'matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["False", "True", "False"]
