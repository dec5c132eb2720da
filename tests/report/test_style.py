import sys

import numpy as np
import pytest

from minirmae.report import style
from minirmae.report.plots import spectrum_figure
from minirmae.report.style import save_figure

pytest.importorskip("matplotlib")

SPECTRA = {
    "autoencoder": 7.0 * np.exp(-np.arange(16) / 3),
    "IRMAE, l = 4": np.array([2.0, 1.0, 0.5, 1e-3] + [0.0] * 12),
}


def test_no_two_of_the_first_categories_look_the_same():
    assert len({style.category(index) for index in range(45)}) == 45


def test_grades_differ_in_grey_dash_and_marker():
    from matplotlib.colors import to_rgb

    grey = [0.299 * r + 0.587 * g + 0.114 * b for r, g, b in (to_rgb(look.colour) for look in style.GRADES)]
    for i, (a, b) in enumerate(zip(style.GRADES, style.GRADES[1:], strict=False)):
        assert a.line != b.line
        assert a.marker != b.marker
        if i < 4:
            assert grey[i + 1] > grey[i] + 0.04
    assert style.grade(6) == style.GRADES[0]


def test_axes_are_dressed():
    axes = style.new_figure(3, 2).subplots()
    style.dress(axes, "time (s)", "strength")
    style.title(axes, "what to see")
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title(loc="left")) == ("time (s)", "strength", "what to see")
    assert [side for side, spine in axes.spines.items() if spine.get_visible()] == ["left", "bottom"]


def test_a_figure_is_saved_at_its_own_resolution(tmp_path):
    Image = pytest.importorskip("PIL.Image")
    for dpi in (50, 110):
        figure = style.new_figure(4, 2, dpi=dpi)
        style.dress(figure.subplots(), "x", "y")
        save_figure(figure, tmp_path / "figure.png")
        with Image.open(tmp_path / "figure.png") as image:
            assert image.size == (4 * dpi, 2 * dpi)


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_the_same_figure_gives_the_same_bytes(tmp_path, ending):
    for name in ("one", "two"):
        save_figure(spectrum_figure(SPECTRA), tmp_path / f"{name}.{ending}")
    one = (tmp_path / f"one.{ending}").read_bytes()
    assert one == (tmp_path / f"two.{ending}").read_bytes()
    assert len(one) > 1000
    assert b"<dc:date>" not in one
    assert b"CreationDate" not in one
    assert b"Software" not in one


def test_a_figure_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "figure.png"
    path.write_bytes(b"old")
    figure = spectrum_figure(SPECTRA)
    figure.draw = None  # drawing fails halfway
    with pytest.raises(TypeError):
        save_figure(figure, path)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["figure.png"]
    with pytest.raises(ValueError, match="ending of the file name must be one of png, svg, pdf; got 'jpg'"):
        save_figure(figure, tmp_path / "figure.jpg")


def test_a_missing_matplotlib_is_explained(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    with pytest.raises(ImportError, match=r"pip install 'minirmae\[plot\]'"):
        spectrum_figure(SPECTRA)
