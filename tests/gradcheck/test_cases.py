"""The list of cases: nothing public in this library is left out."""

import inspect

from minirmae import layers, ops
from minirmae.gradcheck import cases
from minirmae.gradcheck.suite import selected
from minirmae.models import autoencoder as autoencoders


def covered(presets):
    return {case.covers for case in selected(presets=presets)}


def test_every_public_op_has_a_case():
    names = {name for name, value in vars(ops).items() if inspect.isfunction(value)}
    assert {"conv2d", "softmax_cross_entropy"} <= names <= covered(False)


def test_every_layer_has_a_case():
    members = inspect.getmembers(layers, inspect.isclass)
    classes = {name for name, value in members if issubclass(value, layers.Layer) and value is not layers.Layer}
    assert {"Linear", "Sequential"} <= classes <= covered(False)


def test_every_preset_and_variant_has_a_case():
    names = [case.name for case in selected()]
    assert set(autoencoders.PRESETS) <= covered(True)
    assert not {case.name for case in selected(presets=False)} & {case.name for case in cases.PRESETS}
    for variant in autoencoders.VARIANTS:
        assert any(f"{variant} layers" in name for name in names)
