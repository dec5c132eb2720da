"""VQ-VAE: an autoencoder whose code is a list of choices from a learned codebook.

With h the encoder's output, q the codewords nearest to its groups and sg[.]
"held constant", van den Oord, Vinyals and Kavukcuoglu 2017 (arXiv 1711.00937,
equation 3) minimise

    |x - decoder(h + sg[q - h])|^2 + |sg[h] - q|^2 + beta |h - sg[q]|^2,

each square here a mean over its entries. The second term moves codewords to the
vectors that choose them, the third commits the encoder to its choice. With a
moving average (appendix A.1) the second term is left out.

The gradient is that of this expression with everything inside sg[.] constant. It
is not the derivative of the loss's value, which jumps where a choice changes
and between the jumps does not depend on h through the decoder. With dz the
decoder's gradient at q and M entries in h:

    dh = dz + (2 beta / M) (h - q),   de_k = (2 / M) sum over groups g that chose k of (e_k - h_g).

The encoder receives dz as if quantisation were the identity; the codebook receives none of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minirmae.arrays import Array
from minirmae.models.autoencoder import Autoencoder, ModelConfig, build
from minirmae.objectives.objective import Objective, ObjectiveBackward, Update
from minirmae.objectives.recipe import Recipe, Settings, require_setting
from minirmae.objectives.vector_quantizer import VectorQuantizer, perplexity
from minirmae.ops import mean_squared_error
from minirmae.validation import require_int, require_positive_int, require_range

_WHERE = "objective vq-vae"


def vq_vae(
    model: Autoencoder,
    x: Array,
    rng: np.random.Generator | None = None,
    *,
    beta: float = 0.25,
    decay: float = 0.99,
    reseed_after: int = 100,
) -> tuple[Array, ObjectiveBackward]:
    """Reconstruction, codebook and commitment terms at the images `x` (N, H, W, C).

    Args:
        model: its bottleneck is a `VectorQuantizer`, which determines how the codebook is trained.
        rng: decides which encoder outputs replace dead codewords; None evaluates.
        beta: weight of the commitment.
        decay: gamma of the moving averages.
        reseed_after: number of steps without being chosen after which a codeword is replaced; 0 means never.

    Raises TypeError if the bottleneck is not a `VectorQuantizer`.
    """
    quantizer = _quantizer(model)
    h, encoder_backward = model.encoder(x, rng)
    indices = quantizer.indices(h)
    q = quantizer.lookup(indices)
    x_hat, decoder_backward = model.decoder(q, rng)
    reconstruction, reconstruction_backward = mean_squared_error(x_hat, x)
    distance, distance_backward = mean_squared_error(h, q)
    loss = reconstruction + (beta if quantizer.moving_average else 1 + beta) * distance
    # Drawn whether or not a codeword is dead, so that later noise does not depend on it; no group is used twice
    # unless there are fewer groups than codewords.
    order = None if rng is None else np.resize(rng.permutation(indices.size), quantizer.codewords)

    def backward() -> Update | None:
        dz = decoder_backward(reconstruction_backward())
        toward = distance_backward()
        encoder_backward(dz + beta * toward)
        if not quantizer.moving_average:
            quantizer.parameters["codebook"].grad[...] -= quantizer.gather(indices, quantizer.groups(toward))
        if order is None:
            return None

        def update() -> None:
            if quantizer.moving_average:
                quantizer.follow(h, indices, decay)
            quantizer.reseed(h, indices, order, reseed_after)

        return update

    return loss, backward


def codebook_perplexity(model: Autoencoder, x: Array) -> float:
    """Perplexity of the codewords that the images `x` (N, H, W, C) choose, between 1 and K.

    Raises TypeError if the model's bottleneck is not a `VectorQuantizer`.
    """
    quantizer = _quantizer(model)
    return perplexity(quantizer.indices(model.encode_hidden(x)), quantizer.codewords)


def _quantizer(model: Autoencoder) -> VectorQuantizer:
    if not isinstance(model.bottleneck, VectorQuantizer):
        raise TypeError(
            f"{_WHERE}: the model's bottleneck must be a VectorQuantizer, got {type(model.bottleneck).__name__}"
        )
    return model.bottleneck


def _objective(settings: Settings) -> Objective:
    beta, decay, reseed_after = settings["beta"], settings["decay"], settings["reseed_after"]
    require_positive_int(_WHERE, codewords=settings["codewords"], width=settings["width"])
    require_int(_WHERE, "reseed_after", reseed_after, 0)
    require_setting("vq-vae", "beta", beta, 0)
    require_range(_WHERE, "decay", decay, 0, 1)
    return lambda model, x, rng: vq_vae(model, x, rng, beta=beta, decay=decay, reseed_after=reseed_after)


def _build(config: ModelConfig, settings: Settings, rng: np.random.Generator, dtype: Any) -> Autoencoder:
    sizes = config.latent, settings["codewords"], settings["width"]
    average = settings["codebook"] == "moving-average"
    return build(
        config,
        rng,
        dtype,
        bottleneck=lambda rng: VectorQuantizer(*sizes, rng=rng, moving_average=average, dtype=dtype),
    )


RECIPES = (
    Recipe(
        name="vq-vae",
        title="VQ-VAE",
        statement="reconstruct from the nearest codewords of a learned codebook; commit the encoder to them",
        source="van den Oord, Vinyals, Kavukcuoglu 2017 (arXiv 1711.00937)",
        objective=_objective,
        build=_build,
        settings={
            "codewords": 512,
            "width": 4,
            "beta": 0.25,
            "codebook": "gradient",
            "decay": 0.99,
            "reseed_after": 100,
        },
        choices={"codebook": ("gradient", "moving-average")},
    ),
)
