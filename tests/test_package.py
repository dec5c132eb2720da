"""Promises of the package as a whole: its size, what it imports and in which direction, and life without engines."""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import minirmae

ROOT = Path(minirmae.__file__).parent
TESTS = Path(__file__).parent
FORBIDDEN = {"scipy", "torch", "sklearn", "tensorflow", "jax"}
CORE_LINES, FILE_LINES = 1200, 150

ROOMS = (
    *({"arrays", "devices", "validation", "files"}, {"ops"}, {"layers"}, {"initializers", "optimizers", "schedules"}),
    *({"step"}, {"models"}, {"tangents"}, {"data"}, {"measures"}, {"objectives"}, {"engines"}, {"engine", "loop"}),
    *({"gradcheck"}, {"runs"}, {"report"}, {"comparison"}, {"theory"}, {"commands"}, {"__main__", "__init__"}),
)
"""Rooms in the order of their imports: none imports one of a later group."""


def run(code, **options):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, **options).stdout


def imports(path):
    """(module, whether imported at the top level) of every import in a file."""
    tree = ast.parse(path.read_text())
    top = set(tree.body)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node in top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = [f"minirmae.{alias.name}" for alias in node.names] if node.module == "minirmae" else [node.module]
            yield from ((name or "", node in top) for name in names)


def lines(path):
    return len(path.read_text().splitlines())


def test_the_core_is_short():
    """Ops, layers, optimisers, step, and every file of ours that a step by the reference loads."""
    code = """
import json, sys
import numpy as np
from minirmae import layers, ops, optimizers, step
model = layers.Sequential(layers.Conv2d(1, 2, 3, rng=np.random.default_rng(0)), layers.ReLU(), layers.Flatten())
def objective(model, x, rng):
    y, backward = model(x, rng)
    loss, loss_backward = ops.mean_squared_error(y, np.zeros_like(y))
    return loss, lambda: (backward(loss_backward()), None)[1]
step.take_step(model, objective, optimizers.Adam(), np.ones((2, 5, 5, 1), np.float32), None)
print(json.dumps([m.__file__ for n, m in sys.modules.items() if n.startswith("minirmae.")]))
"""
    loaded = {Path(path) for path in json.loads(run(code))}
    core = loaded | {path for room in ("ops", "layers") for path in (ROOT / room).rglob("*.py")}
    assert {"arrays", "convolution", "affine", "optimizers", "step", "validation"} <= {path.stem for path in core}
    assert all(lines(path) <= FILE_LINES for path in core), [path.name for path in core if lines(path) > FILE_LINES]
    assert sum(map(lines, core)) <= CORE_LINES


def test_from_the_layer_to_the_arithmetic_and_back_are_two_files():
    """What stands between `layers.Conv2d` and its sums over taps, forwards and backwards."""
    layer, op = minirmae.layers.Conv2d, minirmae.ops.conv2d
    assert layer.op is op
    files = {sys.modules[name].__file__ for name in (layer.__module__, layer.__mro__[1].__module__, op.__module__)}
    assert len(files) == 2


def test_no_framework_is_imported_and_optional_packages_only_lazily():
    for path in ROOT.rglob("*.py"):
        for module, at_top in imports(path):
            package = module.split(".")[0]
            assert package not in FORBIDDEN, f"{path.name} imports {module}"
            assert not (at_top and package in {"matplotlib", "PIL", "cupy"}), f"{path.name} imports {module} at its top"
            assert not (package == "hypothesis" and path.name != "strategies.py"), f"{path.name} imports {module}"


def test_imports_run_one_way():
    places = {name: place for place, group in enumerate(ROOMS) for name in group}
    for path in ROOT.rglob("*.py"):
        room = path.relative_to(ROOT).parts[0].removesuffix(".py")
        for module, at_top in imports(path):
            if module.startswith("minirmae.") and at_top:
                used = module.split(".")[1]
                if used in places:  # else a name of the package itself
                    assert places[used] <= places[room], f"{path.relative_to(ROOT)} imports {module}"


def test_the_rooms_are_all_named():
    found = {
        path.name.removesuffix(".py")
        for path in ROOT.iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert found == set().union(*ROOMS)


def test_nothing_but_the_seam_and_what_is_about_speed_imports_engines():
    allowed = {"engine", "loop", "runs", "gradcheck", "report", "commands"}
    for path in ROOT.rglob("*.py"):
        room = path.relative_to(ROOT).parts[0].removesuffix(".py")
        for module, at_top in imports(path):
            if module.startswith("minirmae.engines") and room != "engines":
                assert room in allowed, f"{path.relative_to(ROOT)} imports {module}"
                # Itself imported only where there are engines.
                late = not at_top or path.name == "engine_cases.py"
                assert late, f"{path.relative_to(ROOT)} imports {module} at its top"


def test_import_loads_numpy_and_nothing_heavier():
    code = (
        "import sys, numpy; before = set(sys.modules); import minirmae;"
        "print(sorted({m.split('.')[0] for m in set(sys.modules) - before}))"
    )
    assert run(code).strip() == "['minirmae']"


def test_the_public_names_are_loaded_when_asked_for():
    assert set(minirmae.__all__) <= set(dir(minirmae))
    for name in minirmae.__all__:
        assert getattr(minirmae, name) is not None
    assert callable(minirmae.fit)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = minirmae.nothing


def test_without_engines_there_is_a_library(tmp_path):
    """The folder moved away, the reference trains, encodes, checks its gradients and resumes."""
    shutil.copytree(ROOT, tmp_path / "minirmae", ignore=shutil.ignore_patterns("engines", "__pycache__"))
    code = """
import sys
# An editable installation would find the folder where it is.
sys.meta_path[:] = [finder for finder in sys.meta_path if not finder.__module__.startswith("__editable__")]
import numpy as np, minirmae
from minirmae import engine
from minirmae.gradcheck import suite
assert not engine.installed()
from minirmae.commands import main
sizes = ["--latent", "4", "--training-images", "8", "--evaluation-images", "4", "--batch-size", "4"]
assert main(["train", "--preset", "mnist", *sizes, "--data", "images.npy", "--steps", "2", "--out", "run"]) == 0
assert main(["train", "--resume", "run", "--steps", "3"]) == 0
assert main(["spectrum", "run"]) == 0
model = minirmae.open_run("run").model()
assert minirmae.prepared(model) is model
print("trained", model.encode(np.zeros((2, 32, 32, 1), np.float32)).shape)
"""
    images = (
        "import numpy; numpy.save('images.npy', numpy.random.default_rng(0).integers(0, 256, (40, 32, 32, 1), 'u1'))"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    run(images, cwd=tmp_path)
    assert "trained (2, 4)" in run(code, cwd=tmp_path, env=environment)
