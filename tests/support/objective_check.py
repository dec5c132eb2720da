"""One line for the gradient of any recipe: its model on a preset of a few numbers, checked by complex step."""

import numpy as np

from minirmae.gradcheck import check
from minirmae.layers import Flatten, Linear, Reshape, Sequential, Tanh
from minirmae.models.autoencoder import PRESETS, ModelConfig, Preset
from minirmae.objectives import recipe

IMAGE = (4, 3, 2)
LATENT = 4
NAME = "objective check"


def _encoder(n, rng, dtype):
    return Sequential(Flatten(), Linear(24, 5, rng=rng, dtype=dtype), Tanh(), Linear(5, n, rng=rng, dtype=dtype))


def _decoder(n, rng, dtype, output=None):
    layers = Linear(n, 5, rng=rng, dtype=dtype), Tanh(), Linear(5, 24, rng=rng, dtype=dtype)
    return Sequential(*layers, Reshape(IMAGE), output or Tanh())


def tiny_model(recipe_name, settings=None, *, linear_layers=None, dtype=np.float64, seed=0):
    """The recipe's model on the tiny preset, and its complete settings."""
    found = recipe(recipe_name)
    complete = found.complete(settings or {})
    PRESETS[NAME] = Preset(IMAGE, LATENT, 2, _encoder, _decoder)
    try:
        config = ModelConfig.paper(NAME, linear_layers=found.linear_layers if linear_layers is None else linear_layers)
        return found.build(config, complete, np.random.default_rng(seed), np.dtype(dtype)), complete
    finally:
        del PRESETS[NAME]


def tiny_images(count=3, seed=1):
    """Images (count, 4, 3, 2) in [0, 1), float64."""
    return np.random.default_rng(seed).random((count, *IMAGE))


def as_function(model, objective, x, rng_seed=None):
    """Names of the trainable parameters, and the loss as a function `loss, backward = f(*parameters)`."""
    names = [name for name, p in model.named_parameters() if p.trainable]

    def function(*arrays):
        dtype = arrays[0].dtype
        copy = model.astype(dtype)
        parameters = [p for _, p in copy.named_parameters() if p.trainable]
        for parameter, array in zip(parameters, arrays, strict=True):
            parameter.value[...] = array
        rng = None if rng_seed is None else np.random.default_rng(rng_seed)
        loss, loss_backward = objective(copy, x.astype(dtype), rng)

        def backward(dloss):
            copy.grads[...] = 0
            loss_backward()
            return tuple(dloss * parameter.grad for parameter in parameters)

        return loss, backward

    return names, function


def check_objective(recipe_name, settings=None, rng_seed=None, *, objective=None, linear_layers=None, **options):
    """Report of the gradient checker on a recipe's loss, with respect to every parameter of a tiny model.

    Args:
        recipe_name: as in the registry.
        settings: those that differ from the defaults.
        rng_seed: each evaluation gets a fresh generator of this seed; None evaluates without noise.
        objective: in place of the recipe's, to sabotage it or to check a surrogate.
        linear_layers: l; None is the recipe's.
        options: of `minirmae.gradcheck.check`.
    """
    model, complete = tiny_model(recipe_name, settings, linear_layers=linear_layers)
    objective = objective or recipe(recipe_name).objective(complete)
    names, function = as_function(model, objective, tiny_images(), rng_seed)
    values = [p.value for _, p in model.named_parameters() if p.trainable]
    return check(function, *values, name=recipe_name, arguments=names, **options)
