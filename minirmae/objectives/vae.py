"""The variational autoencoder: maximise a bound on the evidence.

    loss = -E log p(x|z) + KL(q(z|x) || N(0, I)),      nats for each image

(Kingma and Welling 2013, equation 10, one sample; the Bernoulli decoder is
their appendix C.1.) Pixels between 0 and 1 are scored as if they were
probabilities, as is usual; for grey images the number is then not a likelihood.
"""

from __future__ import annotations

import numpy as np

from minirmae.arrays import Array
from minirmae.models.autoencoder import Autoencoder
from minirmae.objectives.evidence import terms, variational_model
from minirmae.objectives.objective import ObjectiveBackward
from minirmae.objectives.recipe import Recipe


def negative_bound(model: Autoencoder, x: Array, rng: np.random.Generator | None) -> tuple[Array, ObjectiveBackward]:
    """Minus the evidence bound of images `x` (N, H, W, C), in nats for each image."""
    reconstruction, divergence, terms_backward = terms(model, x, rng)

    def backward() -> None:
        terms_backward(1.0, 1.0)

    return reconstruction + divergence, backward


RECIPE = Recipe(
    name="vae",
    title="VAE",
    statement="maximise the evidence bound: reconstruct from a noisy code that costs nats",
    source="Kingma, Welling 2013 (arXiv 1312.6114)",
    objective=lambda settings: negative_bound,
    build=variational_model,
    per_image=True,
)
