"""The variational autoencoder and its relatives: the two terms of the evidence bound, weighted.

    vae:                loss = -E log p(x|z) + KL(q(z|x) || N(0, I)),           nats per image
    beta-vae:           loss = -E log p(x|z) + beta KL
    beta-vae-capacity:  loss = -E log p(x|z) + gamma |KL - C(t)|,    C(t) = capacity min(t / steps, 1)
    vae-irmae:          loss = mean over pixels of -E log p + weight * mean over entries of (mu^2 + exp(v) - 1 - v)

- `vae`: Kingma and Welling 2013, equation 10 with one sample; the Bernoulli decoder is their appendix C.1. Pixels
  between 0 and 1 are scored as if they were probabilities, as is usual; for grey images the number is then not a
  likelihood.
- `beta-vae`: Higgins and others, ICLR 2017. With a larger beta every nat of the code costs more, and entries that do
  not save enough are no longer used.
- `beta-vae-capacity`: Burgess and others 2018 (arXiv 1804.03599). A large gamma holds the divergence at C, which rises
  from 0, so that the code takes up one factor of the images after the other. The step t is stored in the model.
- `vae-irmae`: the VAE that the authors of IRMAE compare with. Both terms are means over entries instead of sums, and
  the divergence lacks its 1/2. For D pixels and n code entries, D times this loss is the beta-VAE of `2 D weight / n`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minirmae.arrays import Array, array_module
from minirmae.layers import Sigmoid
from minirmae.models.autoencoder import Autoencoder, ModelConfig, build
from minirmae.objectives.evidence import GaussianCode, terms, variational_model
from minirmae.objectives.objective import Objective, ObjectiveBackward, Update
from minirmae.objectives.recipe import Recipe, Settings, require_setting

_LARGEST_COUNT = 2**24
"""The counter of steps has the model's dtype, and float32 counts exactly up to here."""


def weighted_bound(
    model: Autoencoder,
    x: Array,
    rng: np.random.Generator | None,
    per_reconstruction: float = 1.0,
    per_divergence: float = 1.0,
) -> tuple[Array, ObjectiveBackward]:
    """The weighted sum of the two terms at images `x` (N, H, W, C); by default minus the evidence bound."""
    reconstruction, divergence, terms_backward = terms(model, x, rng)

    def backward() -> None:
        terms_backward(per_reconstruction, per_divergence)

    return per_reconstruction * reconstruction + per_divergence * divergence, backward


def beta_objective(settings: Settings) -> Objective:
    """The beta-VAE for complete settings; raises ValueError for a negative beta."""
    beta = settings["beta"]
    require_setting("beta-vae", "beta", beta, 0)
    return lambda model, x, rng: weighted_bound(model, x, rng, per_divergence=beta)


def irmae_objective(settings: Settings) -> Objective:
    """The VAE of IRMAE's authors for complete settings; raises ValueError for a negative weight."""
    weight = settings["weight"]
    require_setting("vae-irmae", "weight", weight, 0)

    def objective(model: Autoencoder, x: Array, rng: np.random.Generator | None) -> tuple[Array, ObjectiveBackward]:
        n = model.bottleneck.output_shape(())[0]
        return weighted_bound(model, x, rng, 1 / x[0].size, weight * 2 / n)

    return objective


def capacity_objective(settings: Settings) -> Objective:
    """The beta-VAE with a growing capacity for complete settings; raises ValueError for one out of range."""
    gamma, capacity, steps = settings["gamma"], settings["capacity"], settings["steps"]
    require_setting("beta-vae-capacity", "gamma", gamma, 0)
    require_setting("beta-vae-capacity", "capacity", capacity, 0)
    require_setting("beta-vae-capacity", "steps", steps, 1, _LARGEST_COUNT)

    def objective(model: Autoencoder, x: Array, rng: np.random.Generator | None) -> tuple[Array, ObjectiveBackward]:
        counter = model.bottleneck.parameters["step"]
        xp = array_module(x)
        target = capacity * counter.value[0].real / steps
        reconstruction, divergence, terms_backward = terms(model, x, rng)
        excess = divergence - target
        # The slope of |excess|, read off the real part: abs would drop the imaginary part of a complex step.
        slope = gamma * xp.sign(excess.real)

        def update() -> None:
            # After `steps` the capacity stays constant, and so does the counter.
            counter.value[...] = xp.minimum(counter.value.real + 1, steps)

        def backward() -> Update:
            terms_backward(1.0, slope)
            return update

        return reconstruction + slope * excess, backward

    return objective


def capacity_model(config: ModelConfig, settings: Settings, rng: np.random.Generator, dtype: Any) -> Autoencoder:
    """The VAE's model with a counter of steps, `bottleneck.step`; raises ValueError if there are linear layers."""
    n = config.latent
    return build(
        config,
        rng,
        dtype,
        encoder_outputs=2 * n,
        bottleneck=lambda rng: GaussianCode(n, fixed={"step": np.zeros(1, dtype)}),
        output=Sigmoid(),
    )


RECIPES = (
    Recipe(
        name="vae",
        title="VAE",
        statement="maximise the evidence bound: reconstruct from a noisy code that costs nats",
        source="Kingma, Welling 2013 (arXiv 1312.6114)",
        objective=lambda settings: weighted_bound,
        build=variational_model,
        per_image=True,
    ),
    Recipe(
        name="vae-irmae",
        title="VAE (IRMAE's)",
        statement="the VAE as the authors of IRMAE normalise it: means over pixels and code entries",
        source="Jing, Zbontar, LeCun 2020 (arXiv 2010.00679), public code",
        objective=irmae_objective,
        build=variational_model,
        settings={"weight": 0.1},
        per_image=True,
    ),
    Recipe(
        name="beta-vae",
        title="beta-VAE",
        statement="the evidence bound with its divergence multiplied by beta",
        source="Higgins and others 2017 (ICLR)",
        objective=beta_objective,
        build=variational_model,
        settings={"beta": 4.0},
        per_image=True,
    ),
    Recipe(
        name="beta-vae-capacity",
        title="beta-VAE, C(t)",
        statement="reconstruct from a code whose divergence follows a capacity that grows",
        source="Burgess and others 2018 (arXiv 1804.03599)",
        objective=capacity_objective,
        build=capacity_model,
        settings={"gamma": 1000.0, "capacity": 25.0, "steps": 100_000},
    ),
)
