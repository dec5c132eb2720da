"""Regularised autoencoders: short codes, and a decoder that is smooth in one of three ways.

    loss = mean (x_hat - x)^2 + beta * mean_n |z_n|^2 / 2 + regulariser of the decoder

    rae-l2:  weight * |theta|^2, theta all parameters of the decoder
    rae-gp:  weight * mean_n ||dD(z)/dz||_F^2, D the decoder
    rae-sn:  none, but every kernel of the decoder is divided by its largest singular value (`spectral_norm.py`)

(Ghosh, Sajjadi, Vergari, Black, Scholkopf 2019, arXiv 1903.12436.) A VAE adds noise to
its code, which forces the decoder to be smooth. An RAE has no noise and asks for the
smoothness directly. The penalty on the code keeps it from growing, which would undo
any of the three regularisers. The gradient of the gradient penalty is of second order,
computed by a tangent pass; it reaches the encoder too, because the penalty depends on z.

The defaults are the authors' numbers for MNIST; the pages `docs/objectives/rae-*.md`
say how their normalisation differs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minirmae.arrays import Array
from minirmae.layers import Sequential
from minirmae.models.autoencoder import Autoencoder, ModelConfig, build
from minirmae.objectives.contractive import squared_jacobian
from minirmae.objectives.objective import Objective, ObjectiveBackward, Update
from minirmae.objectives.penalties import reconstruction_with_penalty
from minirmae.objectives.recipe import Recipe, Settings, require_setting
from minirmae.objectives.spectral_norm import SpectralNorm, normalised
from minirmae.ops import mean_squared_error
from minirmae.ops.losses import LossBackward
from minirmae.validation import require_float, require_ndim

SOURCE = "Ghosh, Sajjadi, Vergari, Black, Scholkopf 2019 (arXiv 1903.12436)"


def embedding(z: Array) -> tuple[Array, LossBackward]:
    """Half the mean squared length of the codes `z` (N, n), and its backward `dloss -> dz = dloss z / N`.

    Raises TypeError if `z` is not floating, ValueError if it has not two axes.

    >>> value, backward = embedding(np.array([[3.0, 4.0], [0.0, 1.0]]))
    >>> float(value)
    6.5
    >>> backward()
    array([[1.5, 2. ],
           [0. , 0.5]])
    """
    require_float("embedding", z=z)
    require_ndim("embedding", "z", z, 2, "(batch, n)")

    def backward(dloss: Any = 1.0) -> Array:
        return z * (dloss / len(z))

    return (z * z).sum() / (2 * len(z)), backward


def small_weights(settings: Settings) -> Objective:
    """The objective for complete settings; raises ValueError for a negative setting."""
    beta, weight = settings["beta"], settings["weight"]
    require_setting("rae-l2", "beta", beta, 0)
    require_setting("rae-l2", "weight", weight, 0)
    penalised = reconstruction_with_penalty(embedding, beta)

    def objective(model: Autoencoder, x: Array, rng: np.random.Generator | None) -> tuple[Array, ObjectiveBackward]:
        loss, penalised_backward = penalised(model, x, rng)
        theta = model.decoder.values

        def backward() -> None:
            penalised_backward()
            model.decoder.grads[...] += 2 * weight * theta

        return loss + weight * (theta @ theta), backward

    return objective


def small_derivative(settings: Settings) -> Objective:
    """The objective for complete settings; raises ValueError for a negative setting.

    With `probes = 0` the norm is exact and costs one tangent per entry of the code.
    """
    beta, weight, probes = settings["beta"], settings["weight"], settings["probes"]
    for name, value in settings.items():
        require_setting("rae-gp", name, value, 0)

    def objective(model: Autoencoder, x: Array, rng: np.random.Generator | None) -> tuple[Array, ObjectiveBackward]:
        h, encoder_backward = model.encoder(x, rng)
        z, bottleneck_backward = model.bottleneck(h, rng)
        (x_hat, norm), decoder_backward = squared_jacobian([model.decoder], z, probes, rng)
        error, error_backward = mean_squared_error(x_hat, x)
        length, length_backward = embedding(z)

        def backward() -> None:
            dz = decoder_backward(error_backward(), weight) + length_backward(beta)
            encoder_backward(bottleneck_backward(dz))

        return error + beta * length + weight * norm, backward

    return objective


def bounded_layers(settings: Settings) -> Objective:
    """The objective for complete settings; raises ValueError for a negative setting.

    The model's decoder must have `SpectralNorm` layers, as `normalised_model` builds it;
    the objective raises ValueError if there are none. After each step of the optimiser
    `update` takes one step of the layers' power iterations.
    """
    require_setting("rae-sn", "beta", settings["beta"], 0)
    penalised = reconstruction_with_penalty(embedding, settings["beta"])

    def objective(model: Autoencoder, x: Array, rng: np.random.Generator | None) -> tuple[Array, ObjectiveBackward]:
        layers = list(normalised(model.decoder))
        if not layers:
            raise ValueError(
                "objective rae-sn: no layer of the decoder is a SpectralNorm; build it with normalised_model"
            )
        loss, penalised_backward = penalised(model, x, rng)

        def update() -> None:
            for layer in layers:
                layer.iterate()

        def backward() -> Update:
            penalised_backward()
            return update

        return loss, backward

    return objective


def normalised_model(config: ModelConfig, settings: Settings, rng: np.random.Generator, dtype: Any) -> Autoencoder:
    """The preset, with spectral normalisation of every layer of its decoder that has a kernel."""
    model = build(config, rng, dtype)
    layers = model.decoder.children.values()
    decoder = Sequential(*(SpectralNorm(layer, rng=rng) if "W" in layer.parameters else layer for layer in layers))
    return Autoencoder(model.encoder, model.bottleneck, decoder)


RECIPES = (
    Recipe(
        name="rae-l2",
        title="RAE-L2",
        statement="reconstruct the images from short codes, with a decoder of small weights",
        source=SOURCE,
        objective=small_weights,
        settings={"beta": 1e-4, "weight": 1e-7},
        per_image=True,
    ),
    Recipe(
        name="rae-gp",
        title="RAE-GP",
        statement="reconstruct the images from short codes, with a decoder of small derivative",
        source=SOURCE,
        objective=small_derivative,
        settings={"beta": 1e-4, "weight": 5e-8, "probes": 1},
        per_image=True,
    ),
    Recipe(
        name="rae-sn",
        title="RAE-SN",
        statement="reconstruct the images from short codes, with a decoder of spectrally normalised layers",
        source=SOURCE,
        objective=bounded_layers,
        build=normalised_model,
        settings={"beta": 9e-3},
    ),
)
