import pytest

from minirmae.report import style
from minirmae.theory.lab import figures

pytest.importorskip("matplotlib")


def test_lines_predict_and_open_points_measure_in_the_look_of_their_curve():
    drawing, (axis, other) = figures.new_figure("title", ("panel", "time (s)", "strength"), ("b", "x", "y"))
    figures.prediction(axis, 1, [0, 1], [0, 1], "line")
    figures.measurement(axis, 1, [0, 1], [0, 1])
    figures.legend(axis)
    assert (axis.get_title(loc="left"), axis.get_xlabel(), axis.get_ylabel()) == ("panel", "time (s)", "strength")
    line, points = axis.lines
    look = style.grade(1)
    assert (line.get_color(), line.get_linestyle(), line.get_marker()) == (look.colour, look.line, "None")
    assert (points.get_color(), points.get_linestyle(), points.get_marker()) == (look.colour, "None", look.marker)
    assert points.get_markerfacecolor() == "white"
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["line"]
    assert other.get_ylabel() == "y"
    assert drawing.get_suptitle() == "title"
