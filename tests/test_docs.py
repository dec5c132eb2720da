"""Docs say where things are: the walks of the design page, links between pages, and blocks of code that render."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
WALK = re.compile(r"^\| (?P<question>[^|`]+) \| (?P<files>(?:`[^`]+`(?:, )?)+) \| (?P<lines>\d+) \|$", re.M)


def test_no_walk_needs_more_than_four_files_and_each_says_how_many_lines():
    walks = list(WALK.finditer((ROOT / "docs" / "design.md").read_text()))
    assert len(walks) == 5
    for walk in walks:
        files = re.findall(r"`([^`]+)`", walk["files"])
        assert len(files) <= 4
        found = sum(len((ROOT / "minirmae" / name).read_text().splitlines()) for name in files)
        assert found == int(walk["lines"]), f"{walk['question']}: {found} lines"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_prompts_stand_in_fences_and_links_lead_somewhere(page):
    fenced = False
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        assert fenced or not line.lstrip().startswith(">>> "), (
            f"line {number}: a prompt outside a fence does not render"
        )
        for target in [] if fenced else re.findall(r"\]\(([^)#\s]+)", line):
            if "://" not in target and not target.startswith("mailto:"):
                assert (page.parent / target).exists(), f"line {number}: {target} is not there"
    assert not fenced, "a fence is not closed"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_are_named_exist(page):
    if page.name == "CHANGELOG.md":  # which names what was
        return
    for name in re.findall(r"\bminirmae/[\w/]+\.(?:py|cu)\b", page.read_text()):
        assert (ROOT / name).exists(), f"{name} is not there"
