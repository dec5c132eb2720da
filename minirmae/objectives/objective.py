"""What a model is trained for: `loss, backward = objective(model, x, rng)`.

`backward()` adds the gradient of the loss into the model's gradients. Where training moves something that has no
gradient, a moving average say, it returns a function `update` that the training step calls after the optimiser's; what
`update` changes lives in `model.fixed`, so that a checkpoint has it. `rng` is the source of noise in training; None
evaluates.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minirmae.arrays import Array

Update = Callable[[], None]
ObjectiveBackward = Callable[[], Update | None]
Objective = Callable[[Any, Any, np.random.Generator | None], tuple[Array, ObjectiveBackward]]
