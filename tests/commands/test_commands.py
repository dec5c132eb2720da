"""The command line as a user calls it: results, JSON, exit status and error messages."""

import json
import subprocess
import sys

import numpy as np
import pytest

from minirmae import __version__
from minirmae.commands import COMMANDS, main

TINY = ["--latent", "6", "--steps", "6", "--batch-size", "2", "--training-images", "20", "--evaluation-images", "30"]

FEW = ["--images", "200"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two tiny finished runs: a plain autoencoder and an IRMAE."""
    root = tmp_path_factory.mktemp("runs")
    for layers in ("0", "3"):
        assert main(["train", "--linear-layers", layers, *TINY, "--out", str(root / f"l{layers}")]) == 0
    return root


def call(capsys, *arguments):
    """Run a command with --json; return (status, parsed output)."""
    status = main([*map(str, arguments), "--json"])
    return status, json.loads(capsys.readouterr().out)


def fails(capsys, *arguments):
    """Run a command that must fail with status 2; return what it says."""
    assert main([*map(str, arguments)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"minirmae {arguments[0]}: error: ")
    return captured.err


def test_python_m_is_the_same_command():
    done = subprocess.run([sys.executable, "-m", "minirmae", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"minirmae {__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command, capsys):
    with pytest.raises(SystemExit) as leaving:
        main([command, "--help"])
    assert leaving.value.code == 0
    text = capsys.readouterr().out
    assert f"example:\n  minirmae {command}" in text
    assert "--json" in text


def test_train_reports_its_last_evaluation(runs, capsys, tmp_path):
    out = tmp_path / "run"
    status, result = call(capsys, "train", "--linear-layers", 2, "--variant", "shared", *TINY, "--out", out)
    assert status == 0
    assert result["model"] == "IRMAE (l = 2, shared)"
    assert result["evaluation"]["step"] == 6
    assert main(["train", "--resume", str(out), "--steps", "8"]) == 0
    assert "step 8, evaluation loss" in capsys.readouterr().out


def test_train_takes_depths_and_replicas(capsys, tmp_path):
    """A run for each depth and seed, with names of their own, and one command to resume them all."""
    asked = ["--linear-layers", 0, 1, "--replicas", 2, "--seed", 4]
    status, result = call(capsys, "train", *asked, *TINY, "--out", tmp_path)
    assert status == 0
    names = [f"shapes-l{layers}-seed{seed}" for layers in (0, 1) for seed in (4, 5)]
    assert [run["run"] for run in result["runs"]] == [str(tmp_path / name) for name in names]
    assert [run["model"] for run in result["runs"]] == ["AE (l = 0)", "AE (l = 0)", "IRMAE (l = 1)", "IRMAE (l = 1)"]
    assert len({run["evaluation"]["loss"] for run in result["runs"]}) == 4
    status, result = call(capsys, "train", "--resume", *(tmp_path / name for name in names[:2]), "--steps", 7)
    assert [run["evaluation"]["step"] for run in result["runs"]] == [7, 7]
    asked = ["--objective", "irmae-wd", "--linear-layers", 1, 2]
    status, result = call(capsys, "train", *asked, *TINY, "--out", tmp_path)
    assert [run["run"] for run in result["runs"]] == [str(tmp_path / f"shapes-irmae-wd-l{l}-seed0") for l in (1, 2)]
    assert "replicas must be an integer of at least 1, got 0" in fails(capsys, "train", "--replicas", 0)
    assert "--precision tf32 is for a GPU" in fails(capsys, "train", "--precision", "tf32")
    assert "--replicas cannot be changed" in fails(capsys, "train", "--resume", tmp_path / names[0], "--replicas", 3)


def test_train_refuses_to_overwrite_or_to_change_a_run(runs, capsys):
    assert "there is a run already" in fails(capsys, "train", *TINY, "--out", runs / "l0")
    assert "--latent, --batch-size cannot be changed" in fails(
        capsys, "train", "--resume", runs / "l0", "--latent", 5, "--batch-size", 4
    )


def test_train_names_what_is_wrong(capsys, tmp_path):
    out = ["--out", tmp_path / "run"]
    assert "latent must be an integer of at least 1, got 0" in fails(capsys, "train", "--latent", 0, *out)
    assert "momentum goes with optimizer momentum" in fails(capsys, "train", "--momentum", 0.5, *out)
    assert "give a folder of images with --data" in fails(capsys, "train", "--preset", "celeba", *out)
    assert "no such data" in fails(capsys, "train", "--data", tmp_path / "nothing", *out)
    assert '--crop must be a number of pixels or "none"' in fails(capsys, "train", "--crop", "wide", *out)
    assert not (tmp_path / "run").exists()


def test_unknown_presets_and_options_are_refused(capsys):
    for arguments in (["train", "--preset", "cifar"], ["train", "--nonsense"], ["nonsense"]):
        with pytest.raises(SystemExit) as leaving:
            main(arguments)
        assert leaving.value.code == 2
        assert "cifar" in (error := capsys.readouterr().err) or "nonsense" in error


def test_spectrum_compares_runs(runs, capsys, tmp_path):
    out = tmp_path / "s.png"
    status, result = call(capsys, "spectrum", runs / "l0", runs / "l3", *FEW, "--out", out)
    assert status == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    plain, irmae = result["runs"]
    assert (plain["label"], irmae["label"]) == ("AE (l = 0)", "IRMAE (l = 3)")
    assert plain["product_singular_values"] is None
    assert len(irmae["product_singular_values"]) == len(irmae["codes"]["eigenvalues"]) == 6
    assert plain["codes"]["eigenvalues"] == plain["before_linear_layers"]["eigenvalues"]
    assert main(["spectrum", str(runs / "l3"), str(runs / "l3"), *FEW]) == 0
    assert "IRMAE (l = 3), l3" in capsys.readouterr().out
    assert (runs / "l3" / "figures" / "spectrum.png").exists()


def test_sample_draws_every_kind(runs, capsys, tmp_path):
    status, result = call(capsys, "sample", runs / "l3", *FEW, "--out", tmp_path / "pictures")
    assert status == 0
    assert set(result["figures"]) == {"reconstruction", "interpolation", "pca", "gaussian", "gmm"}
    for path in result["figures"].values():
        with open(path, "rb") as file:
            assert file.read(4) == b"\x89PNG"


def test_sample_is_repeatable(runs, capsys, tmp_path):
    pictures = []
    for name in ("a", "b"):
        main(["sample", str(runs / "l0"), *FEW, "--kind", "gmm", "--seed", "3", "--out", str(tmp_path / name)])
        pictures.append((tmp_path / name / "gmm.png").read_bytes())
    assert pictures[0] == pictures[1]


def test_commands_on_what_is_not_a_run(capsys, tmp_path):
    for command in ("spectrum", "sample"):
        assert "not a run" in fails(capsys, command, tmp_path)
    assert "components" in fails_components(capsys, tmp_path)


def fails_components(capsys, tmp_path):
    run = tmp_path / "run"
    assert main(["train", "--linear-layers", "0", *TINY, "--out", str(run)]) == 0
    capsys.readouterr()
    return fails(capsys, "sample", run, *FEW, "--kind", "gmm", "--components", 0)


def test_data(capsys, tmp_path):
    status, result = call(capsys, "data", "info", "shapes")
    assert status == 0
    assert (result["count"], result["shape"]) == (50_000, [32, 32, 3])
    picture = tmp_path / "shapes.png"
    assert main(["data", "show", "shapes", "--split", "evaluation", "--out", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    np.save(tmp_path / "few.npy", np.zeros((7, 5, 5, 1), np.uint8))
    assert main(["data", "show", str(tmp_path / "few.npy"), "--out", str(picture)]) == 0
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_bytes(b"not a picture")
    (tmp_path / "broken" / "b.png").write_bytes(b"not a picture")
    capsys.readouterr()
    status, result = call(capsys, "data", "check", tmp_path / "broken")
    assert status == 1
    assert any("a.png" in line for line in result["problems"])


def test_gradcheck_selects_and_reports(capsys):
    status, result = call(capsys, "gradcheck", "--select", "relu", "linear")
    assert status == 0
    assert result["passed"]
    assert {"relu", "linear", "linear without bias"} <= {case["name"] for case in result["cases"]}
    assert main(["gradcheck", "--select", "relu"]) == 0
    assert "1 of 1 cases passed" in capsys.readouterr().out
    assert "relu6" in fails(capsys, "gradcheck", "--select", "relu6")


def test_a_wrong_gradient_is_exit_status_1(capsys, monkeypatch):
    from minirmae import layers, ops

    right = ops.tanh

    def wrong(x):
        y, backward = right(x)
        return y, lambda dy: 1.001 * backward(dy)

    monkeypatch.setattr(layers.Tanh, "op", staticmethod(wrong))
    status, result = call(capsys, "gradcheck", "--select", "Tanh")
    assert status == 1
    assert not result["passed"]


def test_info(capsys):
    status, result = call(capsys, "info")
    assert status == 0
    assert result["packages"]["numpy"] == np.__version__
    assert {"name", "version", "threads"} == set(result["blas"])
    assert result["cuda"] == "available" or result["cuda"].startswith("device cuda")


def test_a_command_without_files_writes_its_result(capsys, tmp_path):
    status, result = call(capsys, "gradcheck", "--select", "relu", "--out", tmp_path / "report.json")
    assert status == 0
    assert json.loads((tmp_path / "report.json").read_text()) == result
    assert "missing" in fails(capsys, "info", "--out", tmp_path / "missing" / "info.json")


def test_theory_checks_and_draws(capsys, tmp_path):
    assert main(["theory", "--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 15
    status, result = call(capsys, "theory", "two-layer", "--quick", "--figures", "--out", tmp_path / "figures")
    assert status == 0
    assert result["passed"]
    assert (tmp_path / "figures" / "two-layer.png").read_bytes().startswith(b"\x89PNG")
    assert "one of two-layer, deep-modes" in fails(capsys, "theory", "three-layer")
    assert "depth cannot be chosen for two-layer" in fails(capsys, "theory", "two-layer", "--depth", 3)


def test_a_theorem_that_fails_is_exit_status_1(capsys, monkeypatch):
    from minirmae.theory import t01_two_layer as two_layer

    right = two_layer.two_layer_modes
    monkeypatch.setattr(two_layer, "two_layer_modes", lambda *arguments, **options: 1.01 * right(*arguments, **options))
    assert main(["theory", "two-layer", "--quick"]) == 1
    assert "FAIL" in capsys.readouterr().out


def test_theory_staircase(runs, capsys, tmp_path):
    status, _ = call(capsys, "theory", "--staircase", runs / "l0", runs / "l3", "--out", tmp_path)
    assert status == 0
    assert (tmp_path / "staircase.png").exists()


def test_demo_quick(capsys, tmp_path, monkeypatch):
    from minirmae.report import demo

    tiny = demo.Size(steps=8, training_images=64, evaluation_images=80)
    monkeypatch.setattr(demo, "QUICK", tiny)
    out = tmp_path / "demo"
    status, result = call(capsys, "demo", "--quick", "--out", out)
    assert status == 0
    assert [r["label"] for r in result["runs"]] == ["AE (l = 0)", "IRMAE (l = 4)"]
    html = (out / "report.html").read_text()
    assert html.count("data:image/png;base64,") == 7
    assert "http" not in html
    assert "IRMAE (l = 4)" in (out / "table.txt").read_text()
    before = (out / "l4" / "checkpoint.npz").read_bytes()
    assert main(["demo", "--quick", "--out", str(out)]) == 0
    assert (out / "l4" / "checkpoint.npz").read_bytes() == before
    assert "at least 1" in fails_demo(capsys, out)


def fails_demo(capsys, out):
    capsys.readouterr()
    return fails(capsys, "demo", "--linear-layers", 0, "--out", out)


def test_ctrl_c_is_130(capsys, monkeypatch):
    import minirmae.commands.info as info

    def interrupted(args):
        raise KeyboardInterrupt

    monkeypatch.setattr(info, "run", interrupted)
    assert main(["info"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_a_reader_that_stops_reading_is_no_error():
    code = "import sys; from minirmae.commands import main; sys.exit(main(['info']))"
    reader = subprocess.run(f"'{sys.executable}' -c \"{code}\" | true", shell=True, capture_output=True, text=True)
    assert reader.stderr == ""
