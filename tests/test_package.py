"""Promises of the package as a whole: what it imports, and how lightly."""

import ast
import subprocess
import sys
from pathlib import Path

import minirmae

ROOT = Path(minirmae.__file__).parent
FORBIDDEN = {"scipy", "torch", "sklearn", "tensorflow", "jax"}


def imports(path):
    """(module, whether imported at the top level) of every import in a file."""
    tree = ast.parse(path.read_text())
    top = set(tree.body)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node in top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", node in top


def test_no_framework_is_imported_and_optional_packages_only_lazily():
    for path in ROOT.rglob("*.py"):
        for module, at_top in imports(path):
            package = module.split(".")[0]
            assert package not in FORBIDDEN, f"{path.name} imports {module}"
            assert not (at_top and package in {"matplotlib", "PIL", "cupy"}), f"{path.name} imports {module} at its top"
            assert not (package == "hypothesis" and path.name != "strategies.py"), f"{path.name} imports {module}"


def test_imports_run_one_way():
    below = {
        "ops": {"backend", "validation", "ops"},
        "pages": {"backend"},
        "parallel": {"blas", "validation"},
        "backward": {"backend"},
        "layer": {"backend", "backward", "pages", "parameters"},
        "layers": {"backend", "backward", "validation", "ops", "initializers", "parameters", "layer", "layers"},
        "optimizers": {"backend", "pages", "parallel", "schedules", "validation"},
        "rank": {"backend", "validation", "codes"},
    }
    for path in ROOT.rglob("*.py"):
        part = path.relative_to(ROOT).parts[0].removesuffix(".py")
        for module, _ in imports(path):
            if module.startswith("minirmae.") or module == "minirmae":
                used = module.split(".")[1] if "." in module else ""
                if part in below and used:
                    names = {used} if used else set()
                    assert names <= below[part], f"{part} imports {module}"
                if part not in ("commands", "__main__"):
                    assert used != "commands", f"{part} imports the command line"


def test_import_loads_numpy_and_nothing_heavier():
    code = (
        "import sys, numpy; before = set(sys.modules); import minirmae;"
        "print(sorted({m.split('.')[0] for m in set(sys.modules) - before}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['minirmae']"
