"""A comparison's directory: what may be there, and what is read back from it."""

import pytest
from comparison_tiny import tiny_plan

from minirmae.comparison.paths import Paths
from minirmae.runs import RunError


def test_a_new_an_empty_and_a_comparison_s_directory_are_usable(tmp_path):
    Paths(tmp_path / "new").require_usable()
    Paths(tmp_path).require_usable()
    (tmp_path / ".hidden").touch()
    Paths(tmp_path).require_usable()
    Paths(tmp_path).write_plan(tiny_plan())
    Paths(tmp_path).require_usable()


def test_any_other_directory_is_refused(tmp_path):
    (tmp_path / "letter.txt").touch()
    with pytest.raises(RunError, match=r"not empty, and not a comparison \(it has letter.txt\)"):
        Paths(tmp_path).require_usable()


def test_the_plan_is_read_as_it_was_written(tmp_path):
    plan = tiny_plan(settings={"ae": {}}, labels=(10, 20))
    Paths(tmp_path).write_plan(plan)
    assert Paths(tmp_path).read_plan() == plan


def test_there_are_no_measures_until_they_are_written(tmp_path):
    paths = Paths(tmp_path)
    paths.write_plan(tiny_plan())
    assert paths.read_measures("ae", 0) is None
    (tmp_path / "evaluations" / "ae-seed0.json").write_text('{"rank": 3}')
    assert paths.read_measures("ae", 0) == {"rank": 3}
