"""`minirmae compare` as a user calls it; the comparison itself is tested elsewhere."""

import json

import pytest

from minirmae import comparison
from minirmae.commands import compare, main


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """What the command asks for; nothing is trained."""
    calls = []

    def recorded(plan, out, *, jobs, reporter):
        calls.append((plan, out, jobs))
        result = {"runs": [], "diverged": {"l1 seed 0": "inf"}}
        return comparison.Comparison(tmp_path / "report.md", result)

    monkeypatch.setattr(comparison, "compare", recorded)
    return calls


def test_options_become_a_plan(asked, capsys, tmp_path):
    arguments = ["--methods", "ae", "l1", "--seeds", "2", "--steps", "7", "--batch-size", "4", "--jobs", "2"]
    arguments += ["--set", "l1.weight=0.5", "--training-images", "100", "--out", str(tmp_path)]
    arguments += ["--engine", "reference"]
    assert main(["compare", *arguments]) == 0
    ((plan, out, jobs),) = asked
    assert (plan.methods, plan.seeds, plan.steps, plan.epochs, plan.batch_size) == (("ae", "l1"), 2, 7, None, 4)
    assert (plan.preset, plan.data, plan.settings) == ("shapes", "shapes", {"l1": {"weight": 0.5}})
    assert plan.engine == plan.config("l1", 0).engine == plan.classifier_config(10).engine == "reference"
    assert (out, jobs) == (tmp_path, 2)
    assert "diverged: l1 seed 0" in capsys.readouterr().out


def test_defaults_and_the_small_version(asked, capsys):
    assert main(["compare", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["diverged"] == {"l1 seed 0": "inf"}
    assert main(["compare", "--quick", "--epochs", "1"]) == 0
    (full, place, jobs), (quick, small_place, _) = asked
    assert (full.methods, full.seeds, full.steps, jobs) == (comparison.METHODS, 3, 1000, 1)
    assert (str(place), str(small_place)) == ("runs/compare", "runs/compare-quick")
    assert (quick.methods, quick.steps, quick.epochs) == (compare._QUICK["methods"], None, 1)


def test_more_labels_ask_for_more_codes(asked):
    for given in (["--quick", "--labels", "20", "3000"], ["--labels", "50"]):
        assert main(["compare", *given]) == 0
    assert [(plan.labels, plan.code_images) for plan, _, _ in asked] == [((20, 3000), 3000), ((50,), 10_000)]


def test_the_preset_follows_the_data(asked, tmp_path):
    import numpy as np

    np.save(tmp_path / "grey.npy", np.zeros((40, 28, 28), np.uint8))
    assert main(["compare", "--data", str(tmp_path / "grey.npy")]) == 0
    assert asked[0][0].preset == "mnist"
    assert main(["compare", "--preset", "mnist"]) == 0
    assert asked[1][0].data == "mnist"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--methods", "gan"], "method must be one of ae, irmae"),
        (["--set", "l1"], "--set takes METHOD.NAME=VALUE"),
        (["--set", "l1.wait=3"], "unknown setting wait"),
        (["--preset", "celeba"], "give a folder of images with --data"),
        (["--data", "nothing/here"], "no such data"),
        (["--seeds", "0"], "seeds must be"),
    ],
)
def test_mistakes_are_named(asked, capsys, arguments, message):
    assert main(["compare", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert asked == []
