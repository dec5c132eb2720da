"""The beta-VAE with a capacity that grows: the code is told how many nats to use.

    loss = -E log p(x|z) + gamma |KL(q(z|x) || N(0, I)) - C(t)|,      nats for each image
    C(t) = capacity min(t / steps, 1)

(Burgess and others 2018, arXiv 1804.03599.) A large gamma holds the divergence
at C, which rises from 0, so that the code takes up one factor of the images
after the other. The step t is counted by `update` and lives in the model.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minirmae.arrays import Array, array_module
from minirmae.layers import Sigmoid
from minirmae.models.autoencoder import Autoencoder, ModelConfig, build
from minirmae.objectives.evidence import GaussianCode, terms
from minirmae.objectives.objective import Objective, ObjectiveBackward, Update
from minirmae.objectives.recipe import Recipe, Settings
from minirmae.objectives.setting import require_range

_LARGEST_COUNT = 2**24
"""The counter has the model's dtype, and float32 counts exactly up to here."""


def capacity_bound(settings: Settings) -> Objective:
    """The objective for complete settings; raises ValueError for one out of range."""
    gamma, capacity, steps = settings["gamma"], settings["capacity"], settings["steps"]
    require_range("beta-vae-capacity", "gamma", gamma, 0)
    require_range("beta-vae-capacity", "capacity", capacity, 0)
    require_range("beta-vae-capacity", "steps", steps, 1, _LARGEST_COUNT)

    def objective(model: Autoencoder, x: Array, rng: np.random.Generator | None) -> tuple[Array, ObjectiveBackward]:
        counter = model.bottleneck.parameters["step"]
        xp = array_module(x)
        target = capacity * counter.value[0].real / steps
        reconstruction, divergence, terms_backward = terms(model, x, rng)
        excess = divergence - target
        # The slope of |excess|, read off the real part: abs would drop the imaginary part of a complex step.
        slope = gamma * xp.sign(excess.real)

        def update() -> None:
            # Beyond `steps` the capacity stays where it is, and so does the counter.
            counter.value[...] = xp.minimum(counter.value.real + 1, steps)

        def backward() -> Update:
            terms_backward(1.0, slope)
            return update

        return reconstruction + slope * excess, backward

    return objective


def capacity_model(config: ModelConfig, settings: Settings, rng: np.random.Generator, dtype: Any) -> Autoencoder:
    """The VAE's model, with a counter of steps, `bottleneck.step`; raises ValueError if there are linear layers."""
    n = config.latent
    return build(
        config,
        rng,
        dtype,
        encoder_outputs=2 * n,
        bottleneck=lambda rng: GaussianCode(n, fixed={"step": np.zeros(1, dtype)}),
        output=Sigmoid(),
    )


RECIPE = Recipe(
    name="beta-vae-capacity",
    title="beta-VAE, C(t)",
    statement="reconstruct from a code whose divergence follows a capacity that grows",
    source="Burgess and others 2018 (arXiv 1804.03599)",
    objective=capacity_bound,
    build=capacity_model,
    settings={"gamma": 1000.0, "capacity": 25.0, "steps": 100_000},
)
