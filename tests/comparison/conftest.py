"""One finished comparison, which the tests of this folder share."""

import pytest
from comparison_tiny import Memory, tiny_plan

from minirmae.comparison import compare


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The directory, the reporter and the result; a test that changes the directory puts back what was there."""
    pytest.importorskip("matplotlib")
    out = tmp_path_factory.mktemp("comparison") / "out"
    reporter = Memory()
    return out, reporter, compare(tiny_plan(), out, jobs=2, reporter=reporter)
