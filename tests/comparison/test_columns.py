"""Means and spreads, and what stands where nothing was measured."""

import numpy as np
import pytest

from minirmae.comparison.columns import label_columns, picture_columns, training_columns


def records(values):
    return [{"reconstruction_error": value, "rank": 3, "frechet": {"mixture": None}} for value in values]


def test_mean_and_standard_deviation():
    column = training_columns()[0]
    values = [0.010, 0.013, 0.019]
    summary = column.summary(records(values))
    assert summary["mean"] == pytest.approx(1000 * np.mean(values))
    assert summary["std"] == pytest.approx(1000 * np.std(values, ddof=1))
    assert summary["n"] == 3
    assert column.cell(records(values)) == "14.00 ± 4.58"
    assert column.cell(records(values[:1])) == "10.00"


def test_what_is_not_there_is_a_dash():
    (mixture,) = (c for c in picture_columns() if c.name == "frechet_mixture")
    assert mixture.summary(records([1.0])) is None
    assert mixture.cell(records([1.0])) == "-"
    assert mixture.cell([{"frechet": {"mixture": 2.0}}, {"frechet": {"mixture": None}}]) == "2.00"
    assert label_columns((10,))[0].cell(records([1.0])) == "-"


def test_three_digits_where_the_scale_is_not_known():
    (mixture,) = (c for c in picture_columns() if c.name == "frechet_mixture")
    cells = [mixture.cell([{"frechet": {"mixture": value}}]) for value in (1234.56, 87.65, 0.004321, 0.0, 1e-9)]
    assert cells == ["1,235", "87.7", "0.00432", "0", "0.000000"]
    assert mixture.cell([{"frechet": {"mixture": value}} for value in (10.0, 12.0)]) == "11.0 ± 1.4"


def test_a_column_for_each_classifier_and_number_of_labels():
    columns = label_columns((100, 1000))
    assert [c.heading for c in columns] == ["head, 100", "linear probe, 100", "head, 1,000", "linear probe, 1,000"]
    accuracy = {"accuracy": {"head": {"100": 0.5, "1000": 0.75}, "probe": {"100": 0.25}}}
    assert [c.cell([accuracy]) for c in columns] == ["50.0", "25.0", "75.0", "-"]
