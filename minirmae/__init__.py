"""minirmae: autoencoders that minimise their own rank, with every gradient written by hand.

The public names below are loaded when asked for, so `import minirmae` costs nothing:

    ops, layers, optimizers      the core: values and gradients, parameters, update rules
    models, objectives           autoencoders and what they are trained for
    gradcheck, tangents          the gradient checker; derivatives along a direction
    fit, train, open_run         train a model in memory; train a run in a directory; open one
    prepared                     a model as an engine computes it
    data, measures, theory       images; ranks, distances, maps; fifteen theorems
"""

from importlib import import_module
from typing import Any

__version__ = "0.2.0"

_MODULES = (
    "data",
    "gradcheck",
    "layers",
    "measures",
    "models",
    "objectives",
    "ops",
    "optimizers",
    "tangents",
    "theory",
)
_FUNCTIONS = {"fit": "loop", "open_run": "runs", "prepared": "engine", "train": "runs"}

__all__ = ["__version__", *_FUNCTIONS, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _FUNCTIONS:
        return getattr(import_module(f"minirmae.{_FUNCTIONS[name]}"), name)
    if name in _MODULES:
        return import_module(f"minirmae.{name}")
    raise AttributeError(f"module 'minirmae' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
