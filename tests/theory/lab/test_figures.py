import sys

import pytest

from minirmae.theory.lab import figures

matplotlib = pytest.importorskip("matplotlib")


def test_styles_differ_in_grey_dash_and_marker():
    from matplotlib.colors import to_rgb

    grey = [0.299 * r + 0.587 * g + 0.114 * b for r, g, b in (to_rgb(colour) for colour, _, _ in figures.STYLES)]
    for i, (a, b) in enumerate(zip(figures.STYLES, figures.STYLES[1:], strict=False)):
        assert a[1] != b[1]
        assert a[2] != b[2]
        if i < 4:
            assert grey[i + 1] > grey[i] + 0.04


def test_a_figure_is_written_whole_and_the_same_every_time(tmp_path):
    for name in ("a.png", "b.png"):
        drawing, (axis,) = figures.new_figure("title", ("panel", "time (s)", "strength"))
        figures.prediction(axis, 1, [0, 1], [0, 1], "line")
        figures.measurement(axis, 1, [0, 1], [0, 1])
        figures.legend(axis)
        assert (axis.get_xlabel(), axis.get_ylabel()) == ("time (s)", "strength")
        figures.save_png(drawing, tmp_path / name)
    data = (tmp_path / "a.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    assert data == (tmp_path / "b.png").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'minirmae\[plot\]'"):
        figures.new_figure("title", ("", "", ""))
