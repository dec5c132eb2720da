import numpy as np
import pytest

from minirmae.theory.staircase import EXTRA_LAYERS, LAYER_SCALE, staircase_figure
from minirmae.theory.t13_linear_autoencoder import autoencoder_times

STEPS = [0, 250, 500, 1000]
RUNS = {"AE (l = 0)": (STEPS, [9, 6, 6, 9]), "IRMAE (l = 8)": (np.array(STEPS), np.array([1, 1, 2, 3]))}


def test_the_figure_puts_prediction_and_runs_side_by_side():
    pytest.importorskip("matplotlib")
    drawing = staircase_figure(RUNS)
    left, right = drawing.axes
    assert left.get_xlabel().startswith("time t")
    assert right.get_xlabel() == "training steps"
    assert all(axis.get_ylabel().startswith("rank of") for axis in drawing.axes)
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["l = 0", "l = 4", "l = 8"]
    assert [text.get_text() for text in right.get_legend().get_texts()] == list(RUNS)
    assert {line.get_linestyle() != "None" for line in right.lines} == {True, False}


def test_predicted_curves_rise_to_all_modes_and_start_at_their_times():
    pytest.importorskip("matplotlib")
    left, _ = staircase_figure(RUNS, seed=3).axes
    for extra, line in zip(EXTRA_LAYERS, left.lines, strict=True):
        times, ranks = line.get_data()
        assert ranks[0] == 0
        assert ranks[-1] == 16
        assert (np.diff(ranks) >= 0).all()
        first = times[np.argmax(ranks > 0)]
        assert first == pytest.approx(float(autoencoder_times(LAYER_SCALE ** (extra + 2), 1.0, extra)), rel=0.02)


def test_runs_are_drawn_as_given_without_step_0():
    pytest.importorskip("matplotlib")
    _, right = staircase_figure(RUNS, measure="something else").axes
    drawn = [line for line in right.lines if line.get_label() == "IRMAE (l = 8)"]
    assert drawn[0].get_xdata().tolist() == STEPS[1:]
    assert drawn[0].get_ydata().tolist() == [1, 2, 3]
    assert "something else" in right.get_title(loc="left")


@pytest.mark.parametrize(
    "histories, message",
    [
        ({}, "at least one history"),
        ({"a": ([1, 2], [1])}, "history 'a' needs steps and ranks of one length"),
        ({"a": ([], [])}, "must be at least 0, increase and reach beyond 0"),
        ({"a": ([0], [1])}, "reach beyond 0"),
        ({"a": ([2, 1], [1, 1])}, "steps of 'a' must be at least 0, increase"),
        ({"a": ([1, 2], [1, -1])}, "ranks of 'a' must be numbers of at least 0"),
        ({"a": ([1, 2], [1, np.nan])}, "ranks of 'a' must be numbers of at least 0"),
    ],
)
def test_histories_that_are_none_are_refused(histories, message):
    with pytest.raises(ValueError, match=message):
        staircase_figure(histories)
