"""What a model is trained for: `loss, backward = objective(model, x, rng)`.

`backward()` adds the gradient of the loss to the model's gradients. Some methods also change something that has no
gradient, such as a moving average. Their backward returns a function `update`, which the training step calls after
the optimiser's step. What `update` changes is stored in `model.fixed`, so a checkpoint contains it. `rng` is the
source of noise in training; None means evaluation, without noise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minirmae.arrays import Array

Update = Callable[[], None]
ObjectiveBackward = Callable[[], Update | None]
Objective = Callable[[Any, Any, np.random.Generator | None], tuple[Array, ObjectiveBackward]]
