"""The page where measures are missing; `test_compare.py` compares a whole page with its measures."""

from comparison_tiny import files, tiny_plan

from minirmae.comparison.page import write_page
from minirmae.comparison.paths import Paths


def test_a_run_that_diverged_has_a_line_instead_of_numbers(finished):
    out = finished[0]
    kept = files(out)
    write_page(tiny_plan(), Paths(out), {"ae seed 0": "the loss is inf"})
    text = (out / "report.md").read_text()
    assert "- ae seed 0: the loss is inf" in text
    assert "AE (l = 0)" not in text
    for path, content in kept.items():
        path.write_bytes(content)
