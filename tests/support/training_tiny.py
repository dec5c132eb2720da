"""A preset so small that a training takes a moment, with dropout, so that the state of its noise matters."""

from minirmae.layers import Dropout, Flatten, Linear, Reshape, Sequential, Tanh
from minirmae.models.autoencoder import PRESETS, ModelConfig, Preset
from minirmae.runs import TrainingConfig


def _encoder(n, rng, dtype):
    return Sequential(Flatten(), Dropout(0.1), Linear(768, n, rng=rng, dtype=dtype))


def _decoder(n, rng, dtype, output=None):
    return Sequential(Linear(n, 768, rng=rng, dtype=dtype), Reshape((16, 16, 3)))


def _plain_encoder(n, rng, dtype):
    return Sequential(Flatten(), Linear(768, n, rng=rng, dtype=dtype), Tanh())


TINY = Preset((16, 16, 3), 3, 2, _encoder, _decoder)
PLAIN = Preset((16, 16, 3), 3, 2, _plain_encoder, _decoder)
"""Without dropout, which has no captured step."""


def register():
    """Make "tiny" a preset of this process."""
    PRESETS["tiny"] = TINY


def tiny_config(**changes):
    """A configuration of the tiny preset, which must have been registered."""
    settings = {"steps": 30, "training_images": 20, "evaluation_images": 6, "batch_size": 3, "learning_rate": 1e-3}
    settings |= {"log_every": 4, "evaluate_every": 8, "checkpoint_every": 6}
    model = ModelConfig("tiny", 3, 2, changes.pop("variant", "linear"))
    return TrainingConfig(model, **{**settings, **changes})


def timeless(records):
    """Records without what the clock said."""
    return [{k: v for k, v in record.items() if k not in ("seconds", "images_per_second")} for record in records]
