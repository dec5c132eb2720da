"""The stand-in itself: strict enough to catch what a card would not forgive."""

import copy

import device_stand_in as stand_in
import numpy as np
import pytest

from minirmae.arrays import asarray, asnumpy

DEVICE = "stand-in"


@pytest.mark.parametrize("misuse", ["array", "float", "int", "bool", "iter", "mask", "list", "host", "numpy", "where"])
def test_the_stand_in_is_strict(misuse):
    x = asarray(np.ones((2, 2)), DEVICE)
    misuses = {
        "array": lambda: np.asarray(x),
        "float": lambda: float(x[0, 0]),
        "int": lambda: int(x[0, 0]),
        "bool": lambda: bool((x > 0).all()),
        "iter": lambda: list(x[0]),
        "mask": lambda: x[x > 0],
        "list": lambda: x[[0, 1]],
        "host": lambda: x + np.ones((2, 2)),
        "numpy": lambda: np.sqrt(x),
        "where": lambda: stand_in.xp.sqrt(x, where=x > 0),
    }
    with pytest.raises(TypeError):
        misuses[misuse]()


def test_the_stand_in_poisons_and_refuses_and_counts():
    assert np.isnan(asnumpy(stand_in.xp.empty((2, 2)))).all()
    assert np.isnan(asnumpy(stand_in.xp.empty_like(asarray(np.ones(3), DEVICE)))).all()
    for dtype in (np.longdouble, object, "U3"):
        with pytest.raises(TypeError):
            stand_in.DeviceArray(np.zeros(2, dtype=dtype), 0)
    before = copy.copy(stand_in.transfers)
    x = asarray(np.ones(3), DEVICE)
    assert asnumpy(x + x)[0] == 2
    assert x.sum().item() == 3
    assert (stand_in.transfers.up - before.up, stand_in.transfers.down - before.down) == (1, 2)
    assert not hasattr(stand_in.xp, "errstate")
    assert not hasattr(stand_in.xp, "geomspace")


def test_the_stand_in_offers_only_what_cupy_offers():
    cupy = pytest.importorskip("cupy")
    for name in vars(stand_in.xp):
        assert hasattr(cupy, name), name
    for name in stand_in.LINALG:
        assert hasattr(cupy.linalg, name), name
    for name in stand_in.METHODS:
        assert hasattr(cupy.ndarray, name), name
