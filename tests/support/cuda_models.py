"""Small models and data for the captured step, with every kind of stage."""

import numpy as np

from minirmae.engines.cuda.launch import Buffer
from minirmae.engines.cuda.network import stage_specs
from minirmae.engines.cuda.plan import StepPlan
from minirmae.layers import (
    Conv2d,
    ConvTranspose2d,
    Flatten,
    Linear,
    LinearStack,
    ReLU,
    Reshape,
    Sequential,
    Sigmoid,
    Tanh,
)
from minirmae.models.autoencoder import Autoencoder

ADAM = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.0}
IMAGES = np.random.default_rng(1).integers(0, 256, (22, 8, 8, 1), dtype=np.uint8)


def autoencoder(seed=0, *, layers=3, n=5, output=Tanh, **stack):
    """Like the MNIST preset, in small: odd widths, so that vectors are not aligned."""
    rng = np.random.default_rng(seed)
    down, up = {"stride": 2, "padding": 1, "rng": rng}, {"stride": 2, "padding": 1, "rng": rng}
    encoder = Sequential(
        Conv2d(1, 4, 4, **down), ReLU(), Conv2d(4, 6, 4, **down), ReLU(), Flatten(), Linear(24, n, rng=rng)
    )
    decoder = Sequential(
        Linear(n, 24, rng=rng),
        ReLU(),
        Reshape((2, 2, 6)),
        ConvTranspose2d(6, 4, 4, **up),
        ReLU(),
        ConvTranspose2d(4, 1, 4, **up),
        output(),
    )
    return Autoencoder(encoder, LinearStack(n, layers, rng=rng, **stack), decoder)


def dense(seed=0):
    """Without images: a chain first, a sigmoid, a layer without bias, a chain last."""
    rng = np.random.default_rng(seed)
    return Sequential(
        Flatten(),
        LinearStack(64, 2, rng=rng),
        Linear(64, 9, rng=rng, bias=False),
        Sigmoid(),
        Linear(9, 64, rng=rng),
        LinearStack(64, 1, rng=rng),
        Reshape((8, 8, 1)),
    )


def plan_of(model, images, batch_size, replicas=1):
    """The plan of a step with Adam on `images` (count, H, W, C), bytes."""
    return StepPlan(
        stages=stage_specs(model, images[1:]),
        trained=model.values.size,
        fixed=model.fixed.size,
        images=Buffer("images", images, "uint8"),
        batch_size=batch_size,
        loss="mean_squared_error",
        adam=ADAM,
        replicas=replicas,
    )
