"""The one door to the array libraries.

NumPy is the reference. Code that works on any array asks `array_module` for
the library that the array belongs to, and calls it `xp`.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
"""An array of either library; annotated as NumPy's, whose interface CuPy shares."""


def array_module(x: Any) -> Any:
    """Return the module (`numpy` or `cupy`) whose functions accept `x`.

    CuPy is looked up only if something else has already imported it, so that
    a machine without a GPU never pays for the question.
    """
    cupy = sys.modules.get("cupy")
    if cupy is not None and isinstance(x, cupy.ndarray):
        return cupy
    return np
