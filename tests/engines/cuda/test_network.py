"""Models read as stages with their numbers."""

import itertools

import numpy as np
import pytest

from minirmae.engines.cuda.network import NotCapturable, stage_specs
from minirmae.layers import Dropout, Flatten, Linear, LinearStack, ReLU, Reshape, Sequential, Sigmoid, Tanh
from minirmae.models.autoencoder import PRESETS, Autoencoder, ModelConfig, build

rng = np.random.default_rng(0)


def test_the_mnist_model():
    model = build(ModelConfig.paper("mnist"), rng)
    stages = stage_specs(model, (32, 32, 1))
    kinds = ["convolution"] * 4 + ["linear", "chain", "linear"] + ["transposed"] * 3
    assert [s.kind for s in stages] == kinds
    assert [s.activation for s in stages] == ["relu"] * 4 + ["none", "none"] + ["relu"] * 3 + ["tanh"]
    assert (stages[5].layers, stages[5].inputs, stages[5].shared) == (8, (128,), False)
    assert all(np.prod(b.inputs) == np.prod(a.outputs) for a, b in itertools.pairwise(stages))


@pytest.mark.parametrize("preset", ["shapes", "mnist"])
@pytest.mark.parametrize("variant", ["linear", "fixed", "shared", "relu"])
def test_every_entry_of_the_flat_vectors_belongs_to_one_stage(preset, variant):
    model = build(ModelConfig.paper(preset, 16, 3, variant), rng)
    counts = {True: np.zeros(model.values.size, int), False: np.zeros(model.fixed.size, int)}
    for s in stage_specs(model, PRESETS[preset].image):
        maps = 1 if s.shared else s.layers
        pairs = (s.outputs[-1] if s.kind == "transposed" else s.inputs[-1]) * (
            s.inputs[-1] if s.kind == "transposed" else s.outputs[-1]
        )
        size = maps * s.kernel[0] * s.kernel[1] * pairs
        counts[s.trained][s.weight : s.weight + size] += 1
        if s.bias is not None:
            counts[True][s.bias : s.bias + s.outputs[-1]] += 1
            # A bias comes right after its kernel: the weight gradient's last row.
            assert s.bias == s.weight + size
    assert (counts[True] == 1).all()
    assert (counts[False] == 1).all()


def test_a_part_of_a_model_counts_from_its_own_start():
    model = Sequential(Linear(3, 4, rng=rng), Sequential(Linear(4, 2, rng=rng), Sigmoid()))
    (stage,) = stage_specs(model.children["1"], (4,))
    assert (stage.weight, stage.bias, stage.activation) == (0, 8, "sigmoid")


@pytest.mark.parametrize(
    ("layers", "why"),
    [
        ([ReLU(), Linear(4, 4, rng=rng)], "ReLU does not follow"),
        ([Linear(4, 4, rng=rng), ReLU(), Tanh()], "Tanh does not follow"),
        ([Linear(4, 4, rng=rng), LinearStack(4, 2, rng=rng), Tanh()], "Tanh does not follow"),
        ([LinearStack(4, 2, rng=rng), LinearStack(4, 2, rng=rng)], "two linear stacks"),
        ([Linear(4, 4, rng=rng), Dropout(0.5)], "Dropout has no captured step"),
        ([Flatten()], "nothing to train"),
        ([Linear(4, 4, rng=rng, dtype=np.float64)], "trains in float32, the model is float64"),
    ],
)
def test_what_cannot_be_captured_says_why(layers, why):
    with pytest.raises(NotCapturable, match=why):
        stage_specs(Sequential(*layers), (4,))


@pytest.mark.parametrize("inside", [False, True])
def test_an_activation_joins_across_the_borders_of_an_autoencoder(inside):
    """The encoder ends with a map, the decoder begins with its activation; also as a part of a larger model."""
    encoder, decoder = Linear(4, 3, rng=rng), Sequential(ReLU(), Linear(3, 4, rng=rng))
    model = Autoencoder(encoder, LinearStack(3, 0, rng=rng), decoder)
    stages = stage_specs(Sequential(model, Sigmoid()) if inside else model, (4,))
    assert [stage.activation for stage in stages] == ["relu", "sigmoid" if inside else "none"]
    chained = Autoencoder(encoder, LinearStack(3, 2, rng=rng), decoder)
    with pytest.raises(NotCapturable, match="ReLU does not follow"):
        stage_specs(chained, (4,))


def test_an_empty_part_vanishes():
    model = build(ModelConfig.paper("shapes", 16, 0, "relu"), rng)
    assert len(model.bottleneck.children) == 0
    assert [stage.kind for stage in stage_specs(model, (32, 32, 3))] == ["convolution"] * 5 + ["transposed"] * 5


class OwnLinear(Linear):
    """Its forward may be another, and that must not be guessed."""


def test_a_subclass_is_not_captured():
    with pytest.raises(NotCapturable, match="OwnLinear has no captured step"):
        stage_specs(Sequential(OwnLinear(4, 4, rng=rng)), (4,))


def test_an_empty_stack_and_reshapes_vanish():
    model = Sequential(Reshape((2, 2)), Flatten(), Linear(4, 4, rng=rng), LinearStack(4, 0, rng=rng), Tanh())
    (stage,) = stage_specs(model, (4,))
    assert (stage.kind, stage.activation) == ("linear", "tanh")
